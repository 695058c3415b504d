//! What Kubernetes cannot do, each thing by its name and place.

use std::cell::LazyCell;
use std::collections::HashSet;

use pluvio_model::problem::{CLUSTER_POLICY, Problem, SPEC_UNSUPPORTED};
use pluvio_model::release::{
    Check, DecidedComponent, DecidedContainer, DecidedFile, Release, numeric_user,
};
use pluvio_model::spec::{AbsolutePath, Kind, Unhealthy};
use pluvio_model::template::Rendered;

use super::pod::{is_left_out, protocol, published_port};
use super::security::{capability, may_gain};
use super::{config, hooks, hosts};

/// The greatest number of a user or a group (IsValidUserID of Kubernetes' validation).
const GREATEST_ID: u32 = i32::MAX.unsigned_abs();
/// What a ConfigMap or a Secret holds, in bytes (MaxSecretSize of Kubernetes' validation).
const MOST_HELD: usize = 1 << 20;

pub(super) fn unsupported(release: &Release, components: &[&DecidedComponent]) -> Vec<Problem> {
    let mut found = Vec::new();
    let words = LazyCell::new(|| {
        let all = release.components.values().flat_map(words_of);
        all.collect::<HashSet<String>>()
    });
    for component in components {
        let content = &component.content;
        let path = format!("components.{}", component.name);
        let mut refuse = |path: String, cause: &str, remedy: &str| {
            found.push(SPEC_UNSUPPORTED.problem(cause, remedy).path(path));
        };
        if component.kind == Kind::Vm {
            refuse(
                format!("{path}.kind"),
                "This kind of component cannot be run on Kubernetes by this version.",
                "Give the component an image, or take it out.",
            );
        }
        for target in component.hot_files.keys() {
            if !has_own_folder(target) || hides_another(component, target) {
                refuse(
                    format!("{path}.files.{target}.hot"),
                    "A hot file is mounted with its folder, which would hide what else is there.",
                    "Put it into a folder of its own, such as /etc/shop/config.toml.",
                );
            }
        }
        modes(&path, component.hot_files.iter(), &mut refuse);
        if holds_too_much(component) {
            refuse(
                format!("{path}.files"),
                "A cluster keeps at most 1 MiB of files for a component, and as much of secrets.",
                "Put large files into the image, or onto a volume.",
            );
        }
        published_twice(component, &path, &mut refuse);
        if content.offline {
            refuse(
                format!("{path}.offline"),
                "Every pod is on the cluster's network.",
                "Take `offline` out, or write a NetworkPolicy for it under `objects`.",
            );
        }
        let nowhere = names_that_no_pod_finds(component);
        let is_asked = |name: &str| words.contains(&name.to_ascii_lowercase());
        for (at, alias) in nowhere.filter(|(_, alias)| is_asked(alias)) {
            if hosts::is_dotted(alias) {
                // Those of a Service are written into `/etc/hosts`.
                if content.ports.is_empty() {
                    refuse(
                        format!("{path}.{at}"),
                        &format!(
                            "`{alias}` is named where the application is told whom to ask, and nothing leads to a component without a port."
                        ),
                        "Write the port that it is asked at under `ports`.",
                    );
                }
                continue;
            }
            refuse(
                format!("{path}.{at}"),
                &format!(
                    "`{alias}` is named where the application is told whom to ask, and no cluster leads by such a name."
                ),
                &format!(
                    "Write `{}` there, which leads to it everywhere.",
                    component.name
                ),
            );
        }
        hosts::unsupported(content, &path, is_asked, &mut refuse);
        hooks::unsupported(content, &path, &mut refuse);
        let mut main = content.main.clone();
        if component.kind == Kind::Database {
            // The official images, which a cluster pulls, name the signal themselves.
            main.stop_signal = None;
        }
        container(&path, &main, &mut refuse);
        shares(release, &path, &content.main, &mut refuse);
        pod_options(component, &path, &mut refuse);
        let mut names = vec![&component.name];
        for (what, containers) in [("sidecars", &content.sidecars), ("init", &content.init)] {
            for (name, each) in containers {
                let path = format!("{path}.{what}.{name}");
                if names.contains(&name) {
                    refuse(
                        path.clone(),
                        "Another container of the pod has this name; the component's own has the component's.",
                        "Give it another name.",
                    );
                }
                names.push(name);
                container(&path, each, &mut refuse);
                shares(release, &path, each, &mut refuse);
                let options = each.options.as_ref();
                for (option, asked) in [
                    ("hostname", options.is_some_and(|of| of.hostname.is_some())),
                    (
                        "domainname",
                        options.is_some_and(|of| of.domainname.is_some()),
                    ),
                    ("dns", options.is_some_and(|of| !of.dns.is_empty())),
                    (
                        "dnsSearch",
                        options.is_some_and(|of| !of.dns_search.is_empty()),
                    ),
                    (
                        "dnsOptions",
                        options.is_some_and(|of| !of.dns_options.is_empty()),
                    ),
                    ("groups", options.is_some_and(|of| !of.groups.is_empty())),
                ] {
                    if asked {
                        refuse(
                            format!("{path}.options.{option}"),
                            "On Kubernetes all containers of a pod have this in common.",
                            "Take it out, or write it for the component itself.",
                        );
                    }
                }
            }
        }
    }
    found
}

/// Aliases that are no label of a DNS name, such as `my_db`, with where they stand. Where nothing in the application asks for
/// one, it was a name for people. `/etc/hosts` of a pod takes those with dots, and no underscore either (ValidateHostAliases of
/// Kubernetes' validation).
fn names_that_no_pod_finds(component: &DecidedComponent) -> impl Iterator<Item = (String, &str)> {
    let content = &component.content;
    let own = content.aliases.iter();
    let own = own.map(|alias| ("aliases".to_owned(), alias.as_str()));
    let networks = content.network_aliases.iter().flat_map(|(network, all)| {
        let at = format!("networkAliases.{network}");
        all.iter().map(move |alias| (at.clone(), alias.as_str()))
    });
    let all = own.chain(networks);
    all.filter(|(_, alias)| !is_label(&alias.to_ascii_lowercase()))
}

/// Whatever could be a name in what a component's containers are told, in small letters.
pub(super) fn words_of(component: &DecidedComponent) -> HashSet<String> {
    let mut words = HashSet::new();
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut add = |text: &str| {
        let all = text.split(|c| !in_name(c));
        words.extend(all.map(|word| word.trim_matches('.').to_ascii_lowercase()));
    };
    let content = &component.content;
    let files = component.hot_files.values();
    files.for_each(|file| add(&file.content.masked()));
    let task = content.release_task.iter().flat_map(|task| &task.command);
    task.for_each(|word| add(word));
    for (_, hook) in content.hooks.each() {
        hook.env.values().for_each(|value| add(&value.masked()));
        hook.command.iter().for_each(|word| add(word));
    }
    for container in content.containers() {
        container
            .env
            .values()
            .for_each(|value| add(&value.masked()));
        let files = container.files.values();
        files.for_each(|file| add(&file.content.masked()));
        let program = [&container.entrypoint, &container.command];
        program
            .into_iter()
            .flatten()
            .flatten()
            .for_each(|word| add(word));
        for (_, probe) in container.probes.each() {
            if let Check::Command(command) = &probe.check {
                command.iter().for_each(|word| add(word));
            }
        }
    }
    words
}

/// What the standard `restricted` refuses, where a namespace enforces it: told before the cluster would.
pub(super) fn beyond_restricted(
    release: &Release,
    components: &[&DecidedComponent],
) -> Vec<Problem> {
    let mut found = Vec::new();
    let enforced = "The team's namespaces on this cluster take only pods that the standard `restricted` allows";
    if !release.objects.is_empty() {
        found.push(
            CLUSTER_POLICY
                .problem(
                    format!("{enforced}: what objects of its own may be is not known."),
                    "Take `objects` out, or ask the cluster's operator to let the team's namespaces take more.",
                )
                .path("objects"),
        );
    }
    for component in components {
        let content = &component.content;
        let path = format!("components.{}", component.name);
        if super::security::beyond_baseline(component) {
            found.push(
                CLUSTER_POLICY
                    .problem(
                        format!("{enforced}: nothing of the host, no ports of the machine, no `patch.kubernetes`."),
                        "Take them out, or ask the cluster's operator to let the team's namespaces take more.",
                    )
                    .path(&path),
            );
        }
        let parts = [("sidecars", &content.sidecars), ("init", &content.init)];
        let others = parts.into_iter().flat_map(|(what, containers)| {
            let path = &path;
            containers
                .iter()
                .map(move |(name, one)| (format!("{path}.{what}.{name}"), one))
        });
        for (path, container) in std::iter::once((path.clone(), &content.main)).chain(others) {
            if container.ordinary_user().is_none() {
                found.push(
                    CLUSTER_POLICY
                        .problem(
                            format!("{enforced}: none that may start as root, and no user of its image is told by number."),
                            "Name the number of a user that the image's program can run as: `user: \"1000\"`, or write `USER 1000` into its Dockerfile.",
                        )
                        .path(format!("{path}.user")),
                );
            }
            if container.host.as_ref().and_then(may_gain) == Some(true) {
                found.push(
                    CLUSTER_POLICY
                        .problem(
                            format!("{enforced}: none whose programs may gain rights."),
                            "Take `no-new-privileges:false` out.",
                        )
                        .path(format!("{path}.host.security")),
                );
            }
            let added = container.host.iter().flat_map(|host| &host.capabilities);
            let mut added = added.map(|one| capability(one));
            if let Some(added) = added.find(|one| one != "NET_BIND_SERVICE") {
                found.push(
                    CLUSTER_POLICY
                        .problem(
                            format!("{enforced}: the capability {added} is none of them."),
                            "Take it out; NET_BIND_SERVICE is the only one that may be added.",
                        )
                        .path(format!("{path}.host.capabilities")),
                );
            }
        }
    }
    found
}

/// `/etc/shop/a.toml` has one, `/etc/a.toml` has not.
fn has_own_folder(target: &AbsolutePath) -> bool {
    target.as_str().matches('/').count() >= 3
}

/// Whether something else of the component's is mounted at the very folder.
fn hides_another(component: &DecidedComponent, target: &AbsolutePath) -> bool {
    let main = &component.content.main;
    let folder = target.as_str().rsplit_once('/').map(|(folder, _)| folder);
    let mut others = main.mounts.keys().chain(main.files.keys());
    others.any(|other| Some(other.as_str()) == folder)
}

fn modes<'f>(
    path: &str,
    files: impl Iterator<Item = (&'f AbsolutePath, &'f DecidedFile)>,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    for (target, _) in files.filter(|(_, file)| file.mode.0 > 0o777) {
        refuse(
            format!("{path}.files.{target}.mode"),
            "Kubernetes writes no file with a set-user, set-group or sticky bit.",
            "Write three digits, such as \"0755\".",
        );
    }
}

/// What is secret is counted by its name, as its value is not known here.
fn holds_too_much(component: &DecidedComponent) -> bool {
    let length = |text: &Rendered| text.masked().len();
    let (mut secret, mut plain) = (0, 0);
    for (_, container) in config::containers(component) {
        let variables = container.env.values().filter(|value| value.is_secret());
        secret += variables.map(length).sum::<usize>();
        for file in container.files.values() {
            let of = match file.content.is_secret() {
                true => &mut secret,
                false => &mut plain,
            };
            *of += length(&file.content);
        }
    }
    let hot = component.hot_files.values();
    let hot: usize = hot.map(|file| length(&file.content)).sum();
    [secret, plain, hot]
        .into_iter()
        .any(|held| held > MOST_HELD)
}

fn published_twice(
    component: &DecidedComponent,
    path: &str,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    let content = &component.content;
    let mut led = HashSet::new();
    for (index, publish) in content.publish.iter().enumerate() {
        let port = published_port(content, publish);
        let is_new = port.is_none_or(|port| led.insert((port.port, protocol(port.protocol))));
        // There they are the machine's ports anyway, as on an engine.
        if !is_new && !content.is_on_host() {
            refuse(
                format!("{path}.publish.{index}"),
                "Kubernetes leads one port of a machine to each port of a pod, and this one has another.",
                "Keep one of them.",
            );
        }
    }
}

/// Volumes that only an engine knows how to mount.
fn shares(
    release: &Release,
    path: &str,
    container: &DecidedContainer,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    for (target, mount) in &container.mounts {
        let volume = mount.volume.as_ref();
        let volume = volume.and_then(|name| release.volumes.get(name));
        if let Some(options) = volume.and_then(|volume| volume.options.as_ref()) {
            refuse(
                format!("{path}.volumes.{target}.options"),
                &format!("{} is mounted by an engine alone.", options.shown()),
                "Make a PersistentVolume for the share, with a class of its own, and name that as `class` in place of `options`.",
            );
        }
    }
}

/// What a pod has once, as the main container asks it.
fn pod_options(
    component: &DecidedComponent,
    path: &str,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    let Some(options) = &component.content.main.options else {
        return;
    };
    if let Some(hostname) = &options.hostname
        && component.kind != Kind::Stateful
        && super::names::pod_hostname(hostname).is_none()
    {
        refuse(
            format!("{path}.options.hostname"),
            "A pod's host name begins with a word of letters, digits and hyphens.",
            "Write such a name, or take it out.",
        );
    }
    let searched: Vec<String> = super::names::searched(options).collect();
    let is_domain = |domain: &String| domain.split('.').all(is_label);
    // The application's own domain and its dots come before them.
    let length: usize = searched.iter().map(|domain| domain.len() + 1).sum();
    if !searched.iter().all(is_domain) || searched.len() > 31 || length > 1_700 {
        refuse(
            format!("{path}.options.dnsSearch"),
            "A pod searches at most 31 more domains, of small letters, digits and hyphens between dots, and 1,700 characters together.",
            "Write fewer, or such names.",
        );
    }
    let is_named = |option: &String| !option.is_empty() && !option.starts_with(':');
    if !options.dns_options.iter().all(is_named) {
        refuse(
            format!("{path}.options.dnsOptions"),
            "An option of a resolver has a name.",
            "Write `NAME` or `NAME:VALUE`, such as `ndots:2`.",
        );
    }
    let is_id = |group: &String| group.parse::<u32>().is_ok_and(|id| id <= GREATEST_ID);
    if !options.groups.iter().all(is_id) {
        refuse(
            format!("{path}.options.groups"),
            "Kubernetes knows groups by number only, up to 2147483647.",
            "Write their numbers.",
        );
    }
}

/// By RFC 1123, as Kubernetes wants it.
pub(super) fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn container(
    path: &str,
    container: &DecidedContainer,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    if container.stop_signal.is_some() {
        refuse(
            format!("{path}.stopSignal"),
            "Kubernetes stops a pod with the signal that its image names.",
            "Write STOPSIGNAL into the image.",
        );
    }
    let is_id = |(user, group): (u32, Option<u32>)| user.max(group.unwrap_or(0)) <= GREATEST_ID;
    // A plan looks into no image: the number is found when it is deployed.
    let is_planned = container.image_id == container.image.to_string();
    if let Some(user) = container.numbered_user() {
        match numeric_user(user) {
            Some(numbers) if !is_id(numbers) => refuse(
                format!("{path}.user"),
                "Kubernetes knows users by number only, up to 2147483647.",
                "Write a smaller number.",
            ),
            None if !is_planned || user.split(':').any(str::is_empty) => refuse(
                format!("{path}.user"),
                &format!(
                    "Kubernetes knows users by number only, and the image does not say the number of {user}."
                ),
                "Write one that its /etc/passwd and /etc/group have, or the number, `1000` or `1000:1000`.",
            ),
            _ => {}
        }
    }
    let with_colon = container
        .env
        .keys()
        .filter(|name| name.as_str().contains(':'));
    for name in with_colon {
        refuse(
            format!("{path}.env.{name}"),
            "Clusters before 1.34 take no colon in a variable's name.",
            "Write two underscores in its place, `A__B`, which .NET reads alike.",
        );
    }
    let no_command = container.command.as_ref().is_none_or(Vec::is_empty);
    if container.entrypoint.as_deref().is_some_and(is_left_out) && no_command {
        refuse(
            format!("{path}.entrypoint"),
            "Kubernetes cannot leave the image's ENTRYPOINT out and keep its CMD.",
            "Write the program and its words into `command`.",
        );
    }
    let of_engines = container.mounts.iter().filter_map(|(target, mount)| {
        let volume = mount.host_volume.as_ref()?;
        Some((target, volume))
    });
    for (target, volume) in of_engines {
        refuse(
            format!("{path}.volumes.{target}.hostVolume"),
            &format!("{volume} is a volume of an engine, and a cluster has none of them."),
            "Name a volume of the application's own, `name: …`, which a PersistentVolumeClaim is made for, and copy the data into it; or deploy to the engine that has it.",
        );
    }
    modes(path, container.files.iter(), refuse);
    for target in container.files.keys() {
        if container.mounts.contains_key(target) {
            refuse(
                format!("{path}.files.{target}"),
                "A volume is mounted at the same path.",
                "Give one of them another path.",
            );
        }
    }
    if let Some(host) = &container.host {
        let unknown = |option: &String| !super::security::is_known(option);
        for (option, asked) in [
            ("devices", !host.devices.is_empty()),
            ("security", host.security.iter().any(unknown)),
        ] {
            if asked {
                refuse(
                    format!("{path}.host.{option}"),
                    "Kubernetes has no such option for a container.",
                    "Use a device plugin or `patch.kubernetes`.",
                );
            }
        }
    }
    if container
        .options
        .as_ref()
        .is_some_and(|options| !options.ulimits.is_empty())
    {
        refuse(
            format!("{path}.options.ulimits"),
            "Pods have the limits of their node's container runtime.",
            "Take it out, and set the limits on the nodes where they are too low.",
        );
    }
    let probes = &container.probes;
    let says_ready = probes
        .ready
        .as_ref()
        .is_some_and(|ready| !ready.check.is_implied());
    match probes.unhealthy {
        Unhealthy::Offline if says_ready => refuse(
            format!("{path}.probes.unhealthy"),
            "Kubernetes asks one probe whether an instance gets requests, and `ready` is another one than `live`.",
            "Take `ready` out: `live` is asked for it then.",
        ),
        Unhealthy::Report => refuse(
            format!("{path}.probes.unhealthy"),
            "Kubernetes asks no probe that nothing follows from.",
            "Write `offline` or `restart`, or take `live` out.",
        ),
        Unhealthy::Offline | Unhealthy::Restart => {}
    }
    for (which, probe) in probes.each() {
        if let Check::Http { status, .. } = &probe.check
            && status[..] != [(200, 399)]
        {
            refuse(
                format!("{path}.probes.{which}.http.status"),
                "Kubernetes takes every answer from 200 to 399 as good.",
                "Take `status` out, or check with a `command`.",
            );
        }
        if which != "ready" && probe.successes != 1 {
            refuse(
                format!("{path}.probes.{which}.successes"),
                "Kubernetes counts one success of this probe as enough.",
                "Take `successes` out.",
            );
        }
    }
}
