//! A service's keys, each to where it belongs.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::spec::{AbsolutePath, ComponentSpec, Kind, MountSpec, RestartPolicy};

use super::super::item::{Fields, Item, Map, Place};
use super::Convert;

/// Every key that the compose specification has for a service.
pub(crate) const KEYS: [&str; 93] = [
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

/// What a service becomes, as far as it is known.
pub(super) struct Making {
    pub(super) service: String,
    pub(super) name: Name,
    pub(super) component: ComponentSpec,
    /// For the engine's create body, where app.yaml has no word: merged into `patch.engine`.
    pub(super) patch: serde_json::Map<String, serde_json::Value>,
    pub(super) host_config: serde_json::Map<String, serde_json::Value>,
    pub(super) network: Option<OwnNetwork>,
    /// The network that it is on by `network_mode`, as the file has it under `networks`.
    pub(super) joins: Option<String>,
    /// Where the whole disk of the machine is mounted.
    pub(super) whole_disk: IndexMap<AbsolutePath, WholeDisk>,
}

/// How the whole disk is mounted.
#[derive(Debug, Default)]
pub(super) struct WholeDisk {
    pub(super) read_only: bool,
    /// Whether mounts that come later are seen: the engine's own word.
    pub(super) propagation: Option<String>,
}

impl WholeDisk {
    /// As engines bind it.
    fn bind(&self, target: &AbsolutePath) -> String {
        let mut bind = format!("/:{target}:{}", if self.read_only { "ro" } else { "rw" });
        if let Some(propagation) = &self.propagation {
            bind.push(',');
            bind.push_str(propagation);
        }
        bind
    }
}

/// Volumes, and where the whole disk is.
pub(super) type Mounts = (
    IndexMap<AbsolutePath, MountSpec>,
    IndexMap<AbsolutePath, WholeDisk>,
);

/// What a service is on instead of the application's networks.
#[derive(PartialEq, Eq)]
pub(super) enum OwnNetwork {
    Host,
    None,
    Of(Name),
}

impl Making {
    pub(super) fn options(&mut self) -> &mut pluvio_model::spec::ContainerOptions {
        self.component.options.get_or_insert_default()
    }
    pub(super) fn host(&mut self) -> &mut pluvio_model::spec::HostOptions {
        self.component.host.get_or_insert_default()
    }
    pub(super) fn take_mounts(&mut self) -> Mounts {
        let volumes = std::mem::take(&mut self.component.volumes);
        (volumes, std::mem::take(&mut self.whole_disk))
    }
    /// Adds mounts where there is none yet.
    pub(super) fn put_mounts(&mut self, (volumes, whole_disk): Mounts, read_only: bool) {
        for (target, mut spec) in volumes {
            if !self.whole_disk.contains_key(&target) {
                spec.read_only |= read_only;
                self.component.volumes.entry(target).or_insert(spec);
            }
        }
        for (target, mut whole) in whole_disk {
            if !self.component.volumes.contains_key(&target) {
                whole.read_only |= read_only;
                self.whole_disk.entry(target).or_insert(whole);
            }
        }
    }
    pub(super) fn alias(&mut self, alias: &str) {
        if alias != self.name.as_str() && !self.component.aliases.iter().any(|a| a == alias) {
            self.component.aliases.push(alias.to_owned());
        }
    }
}

impl Convert<'_> {
    pub(super) fn service(&mut self, service: &str, item: &Item, at: Place, services: &Map) {
        let path = format!("services.{service}");
        let name = self.names[service].clone();
        self.places.insert(name.clone(), (at, path.clone()));
        if item.as_map().is_none() {
            self.told.invalid(
                at,
                &path,
                format!("The service {service} says nothing."),
                "Give it an `image` or a `build`.",
            );
            return;
        }
        let mut making = Making {
            service: service.to_owned(),
            name: name.clone(),
            component: ComponentSpec::default(),
            patch: serde_json::Map::new(),
            host_config: serde_json::Map::new(),
            whole_disk: IndexMap::new(),
            network: None,
            joins: None,
        };
        let mut fields = Fields::new(path.clone(), item);
        fields.take("profiles").into_iter().for_each(|profiles| {
            self.told.adapted(
                profiles.at,
                &profiles.path,
                format!(
                    "Its profile ({}) is asked for: it runs like the others.",
                    profiles
                        .item
                        .items()
                        .iter()
                        .filter_map(Item::as_text)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            );
        });
        if let Some(provider) = fields.take("provider") {
            self.told.refused(
                provider.at,
                &provider.path,
                "A provider is a program of compose's own that makes something elsewhere.",
                "Declare what it makes as `kind: external`, or as a database of Pluvio's.",
            );
            let others = KEYS
                .iter()
                .filter(|key| !matches!(**key, "provider" | "profiles"));
            for key in others {
                if let Some(taken) = fields.take(key) {
                    self.told.refused(
                        taken.at,
                        &taken.path,
                        "It goes with the `provider`, which makes the service.",
                        "Take the `provider` out to have it run here.",
                    );
                }
            }
            self.leftovers(fields);
            return;
        }
        self.image_and_build(&mut fields, &mut making, at);
        self.kind(&mut fields, &mut making);
        self.program(&mut fields, &mut making);
        self.environment(&mut fields, &mut making);
        self.health(&mut fields, &mut making);
        self.network_mode(&mut fields, &mut making, services);
        if name.as_str() != service
            && !matches!(making.network, Some(OwnNetwork::None | OwnNetwork::Of(_)))
        {
            making.alias(service);
        }
        self.container_name(&mut fields, &mut making);
        self.networks_of(&mut fields, &making);
        self.depends(&mut fields, &mut making, services);
        self.mounts(&mut fields, &mut making, services);
        self.limits(&mut fields, &mut making);
        self.options(&mut fields, &mut making);
        self.deploy(&mut fields, &mut making);
        self.ports(&mut fields, &mut making);
        self.labels(&mut fields, &mut making);
        self.hooks(&mut fields, &mut making);
        self.no_effect(&mut fields);
        self.leftovers(fields);
        self.finish(making);
    }

    fn leftovers(&mut self, fields: Fields) {
        fields.finish(&mut self.told, &KEYS);
    }

    fn finish(&mut self, mut making: Making) {
        if !making.whole_disk.is_empty() {
            let binds: Vec<String> = making
                .whole_disk
                .iter()
                .map(|(target, whole)| whole.bind(target))
                .collect();
            making
                .host_config
                .shift_insert(0, "Binds".to_owned(), binds.into());
        }
        if !making.host_config.is_empty() {
            making
                .patch
                .insert("HostConfig".to_owned(), making.host_config.into());
        }
        if !making.patch.is_empty() {
            making.component.patch.get_or_insert_default().engine = Some(making.patch.into());
        }
        self.spec.components.insert(making.name, making.component);
    }

    /// Databases by their images' names; what is in front of the last `/` does not matter.
    pub(super) fn is_database(image: &str) -> bool {
        let name = image.split('@').next().unwrap_or(image);
        let name = name.rsplit('/').next().unwrap_or(name);
        let name = name.split(':').next().unwrap_or(name);
        matches!(
            name,
            "postgres"
                | "postgresql"
                | "postgis"
                | "pgvector"
                | "timescaledb"
                | "mysql"
                | "mysql-server"
                | "mariadb"
                | "percona"
                | "mongo"
                | "mongodb"
                | "redis"
                | "valkey"
                | "keydb"
                | "dragonfly"
                | "memcached"
                | "cassandra"
                | "clickhouse-server"
                | "rabbitmq"
                | "cockroach"
                | "mssql"
        )
    }

    fn kind(&mut self, fields: &mut Fields, making: &mut Making) {
        let awaited = self.awaited.contains(&making.service);
        if awaited {
            making.component.kind = Kind::Job;
        } else if making
            .component
            .image
            .as_ref()
            .is_some_and(|image| Self::is_database(image.short_name()))
        {
            making.component.kind = Kind::Stateful;
        }
        if let Some(apart) = fields.take("exclude_from_hc") {
            if self.flag(&apart) == Some(true) && !awaited {
                self.told.adapted(
                    apart.at,
                    &apart.path,
                    "What does not count in the application's health runs to its end: it becomes a job.",
                );
                making.component.kind = Kind::Job;
            } else {
                self.told.ignored(apart.at, &apart.path, "It is so anyway.");
            }
        }
        let Some(restart) = fields.take("restart") else {
            return;
        };
        let Some(text) = self.text(&restart) else {
            return;
        };
        let (policy, count) = match text.split_once(':') {
            Some((policy, count)) => (policy.to_owned(), Some(count.to_owned())),
            None => (text, None),
        };
        let job = making.component.kind == Kind::Job;
        if !job && matches!(policy.as_str(), "no" | "false" | "none" | "on-failure") {
            self.told.adapted(
                restart.at,
                &restart.path,
                "Kept on engines. On Kubernetes a service is started again however it ended.",
            );
        }
        let policy = match policy.as_str() {
            "no" | "false" | "none" => RestartPolicy::Never,
            "on-failure" => RestartPolicy::OnFailure,
            "always" | "unless-stopped" | "any" | "true" => {
                if job {
                    self.told.adapted(
                        restart.at,
                        &restart.path,
                        "Others await its end, so it is a job: it is not started again once it succeeded.",
                    );
                    return;
                }
                if policy != "always" {
                    self.told.adapted(
                        restart.at,
                        &restart.path,
                        "It is restarted always; `pluvio stop` stops it all the same.",
                    );
                }
                RestartPolicy::Always
            }
            other => {
                self.told.invalid(
                    restart.at,
                    &restart.path,
                    format!("`{other}` is no restart policy."),
                    "Write no, always, on-failure or unless-stopped.",
                );
                return;
            }
        };
        if let Some(count) = count.filter(|_| !job) {
            self.told.adapted(
                restart.at,
                &restart.path,
                format!("The limit of {count} restarts is not kept: they do not end, and the pauses between them grow."),
            );
        }
        if job {
            self.told.adapted(
                restart.at,
                &restart.path,
                "It is a job: it runs to its end once for each content.",
            );
            return;
        }
        making.component.restart = Some(policy);
    }

    fn labels(&mut self, fields: &mut Fields, making: &mut Making) {
        if let Some(files) = fields.take("label_file") {
            for (at, path) in self.texts(&files) {
                let Some(text) = self.file_text(&path, at, &files.path) else {
                    continue;
                };
                for line in text.lines() {
                    let line = line.trim();
                    if line.is_empty() || line.starts_with('#') {
                        continue;
                    }
                    let (key, value) = line.split_once('=').unwrap_or((line, ""));
                    making
                        .component
                        .labels
                        .insert(key.trim().to_owned(), value.to_owned());
                }
            }
        }
        let Some(labels) = fields.take("labels") else {
            return;
        };
        let Some(map) = labels.item.as_map() else {
            self.told.invalid(
                labels.at,
                &labels.path,
                "It is neither a list nor a map.",
                "Write `KEY: value`.",
            );
            return;
        };
        let mut proxies: Vec<&str> = Vec::new();
        for (key, field) in map {
            let value = match field.item.as_text() {
                Some(text) => text.to_owned(),
                None if field.item.is_null() => String::new(),
                None => {
                    self.told.invalid(
                        field.at,
                        &format!("{}.{key}", labels.path),
                        "A label's value is a text.",
                        "Write it on the same line.",
                    );
                    continue;
                }
            };
            let proxy = key.split(['.', '_']).next().unwrap_or_default();
            if matches!(proxy, "traefik" | "caddy" | "VIRTUAL" | "letsencrypt")
                && !proxies.contains(&proxy)
            {
                proxies.push(proxy);
            }
            making.component.labels.insert(key.clone(), value);
        }
        for proxy in proxies {
            self.told.advised(
                labels.at,
                &labels.path,
                format!(
                    "The labels for {proxy} are kept, but Pluvio's gateway does not read them."
                ),
                "Write the hosts under `routes` of the component.",
            );
        }
    }

    /// Keys without effect by nature.
    fn no_effect(&mut self, fields: &mut Fields) {
        for (key, why) in [
            ("attach", "It is for compose's own screen."),
            (
                "develop",
                "It is for developing with compose; deploys build anew.",
            ),
            (
                "logging",
                "Logs are Pluvio's: collected, kept and searched, whatever the driver.",
            ),
            ("extends", "It is written out already."),
            (
                "pull_refresh_after",
                "Names of images are resolved on deploy, or with `--pull`.",
            ),
        ] {
            if let Some(taken) = fields.take(key) {
                self.told.ignored(taken.at, &taken.path, why);
            }
        }
        if let Some(policy) = fields.take("pull_policy") {
            let text = policy.item.as_text().unwrap_or_default().to_owned();
            self.told.advised(
                policy.at,
                &policy.path,
                format!("`{text}`: an image that is not there is pulled, and one that is stays the same until it is asked for."),
                "Deploy with `--pull` to look for a newer one.",
            );
        }
        if let Some(platform) = fields.take("platform") {
            self.told.adapted(
                platform.at,
                &platform.path,
                "The image of the machine's own architecture is taken.",
            );
        }
        if let Some(models) = fields.take("models") {
            self.told.refused(
                models.at,
                &models.path,
                "Models need compose's own runner of models.",
                "Run a model server as a component, and give its address in a variable.",
            );
        }
    }
}
