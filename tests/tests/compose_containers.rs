//! A compose file's containers by `docker compose` and by Pluvio, field by field, as the engine tells of them.
//!
//! `../compose/kept.yaml` uses the keys that are kept. What differs is in [`EXPLAINED`] with its reason; anything else is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, image::IMAGE};
use serde_json::{Value, json};

const FILE: &str = include_str!("../compose/kept.yaml");

const EVERY: &[&str] = &[
    "after", "beside", "full", "once", "quiet", "quota", "raised", "wide",
];

/// Fields that differ by intent, of which services, and why.
const EXPLAINED: &[(&str, &[&str], &str)] = &[
    (
        "Config.Healthcheck",
        EVERY,
        "checks are run by Pluvio, on every engine alike",
    ),
    (
        "HostConfig.RestartPolicy",
        EVERY,
        "the node starts again what ends, with growing pauses",
    ),
    (
        "Config.StopTimeout",
        &["full"],
        "the grace period is given with each stop",
    ),
    (
        "HostConfig.LogConfig",
        EVERY,
        "lines are kept by Pluvio; the engine keeps the newest 10 MB",
    ),
    (
        "HostConfig.Init",
        &[
            "after", "beside", "once", "quiet", "quota", "raised", "wide",
        ],
        "a small process 1 reaps children, unless the image starts one itself or the file says no",
    ),
    (
        "HostConfig.PidsLimit",
        &["beside", "once", "quiet", "quota", "raised", "wide"],
        "4,096 processes where nothing is asked",
    ),
    (
        "Config.Hostname",
        &["after", "once", "quiet", "quota", "raised"],
        "an instance is called so itself where nothing is asked",
    ),
    (
        "Config.ExposedPorts",
        &["full"],
        "compose writes a port of `expose` without its protocol, which is the same",
    ),
    (
        "HostConfig.CpuPeriod",
        &["quota"],
        "with CpuQuota it is half a core, which is written as NanoCpus",
    ),
    ("HostConfig.CpuQuota", &["quota"], "see CpuPeriod"),
    ("HostConfig.NanoCpus", &["quota"], "see CpuPeriod"),
    (
        "HostConfig.Tmpfs",
        &["full"],
        "sizes are in bytes, and a long `type: tmpfs` is here too",
    ),
    (
        "HostConfig.NetworkMode",
        &["full"],
        "the first network that the file names, where compose takes the first by the alphabet",
    ),
    (
        "Config.Labels",
        &["beside"],
        "what runs beside a component has its labels too",
    ),
];

/// Of the engine and of who made it: what the image is called, which of its streams were watched, and what `Mounts` and
/// `Networks` below say better.
const NOT_COMPARED: &[&str] = &[
    "Config.Image",
    "Config.AttachStdin",
    "Config.AttachStdout",
    "Config.AttachStderr",
    "HostConfig.Binds",
    "HostConfig.Mounts",
    "HostConfig.ContainerIDFile",
];

type Fields = BTreeMap<String, Value>;

/// `docker compose` in the form that is there.
fn compose() -> Option<Vec<&'static str>> {
    let forms = [vec!["docker-compose"], vec!["docker", "compose"]];
    forms.into_iter().find(|words| {
        let mut asked = Command::new(words[0]);
        let asked = asked.args(&words[1..]).arg("version").output();
        asked.is_ok_and(|output| output.status.success())
    })
}

fn run(words: &[&str], file: &str, more: &[&str]) -> Result<(), String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["-f", file]).args(more);
    let output = command.output().expect("compose runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

#[test]
fn a_compose_files_containers_are_those_that_docker_compose_makes() {
    let engine = Engine::docker();
    let compose = compose().expect("`docker compose`, which `scripts/install --tests` brings");
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("kept");
    let text = |index: u16| {
        FILE.replace("IMAGE", IMAGE)
            .replace("NAME", &name)
            .replace("DEVICE", &block_device())
            .replace("PORT", &pluvio.free_port(index).to_string())
    };
    let file = pluvio.write("theirs.yaml", &text(0));
    let created = run(
        &compose,
        &file,
        &["create", "--no-build", "--pull", "never"],
    );
    let listed = engine.labelled(&format!("com.docker.compose.project={name}"));
    let theirs: BTreeMap<String, Fields> = listed
        .iter()
        .map(|one| {
            let service = text_of(&one["Labels"]["com.docker.compose.service"]);
            (
                service,
                fields(&engine.inspect(&text_of(&one["Id"])), &name),
            )
        })
        .collect();
    run(&compose, &file, &["down", "-v"]).expect("all is taken away again");
    created.expect("compose makes all of them");

    let file = pluvio.write("compose.yaml", &text(0));
    let words = ["deploy", &file, "--accept-refused", "--json"];
    pluvio.cli_within(&words, Duration::from_secs(60)).ok();
    let ours: BTreeMap<String, Fields> = engine
        .containers(pluvio.installation())
        .iter()
        .map(|one| {
            let labels = &one["Labels"];
            let beside = labels["io.pluvio.container"].as_str();
            let service =
                beside.map_or_else(|| text_of(&labels["io.pluvio.component"]), str::to_owned);
            (
                service,
                fields(&engine.inspect(&text_of(&one["Id"])), &name),
            )
        })
        .collect();

    let names = |all: &BTreeMap<String, Fields>| all.keys().cloned().collect::<Vec<_>>();
    // The engine forgets runs that came to their end.
    let mut seen = names(&theirs);
    seen.retain(|service| service != "once" || ours.contains_key("once"));
    assert_eq!(seen, names(&ours));
    let mut found = Vec::new();
    let mut met = BTreeSet::new();
    for (service, ours) in &ours {
        let theirs = &theirs[service];
        for field in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let (a, b) = (theirs.get(field), ours.get(field));
            if a == b || (field == "HostConfig.ExtraHosts" && has_all(b, a)) {
                continue;
            }
            let explained = EXPLAINED.iter().find(|(known, ..)| known == field);
            if explained.is_some_and(|(_, at, _)| at.contains(&service.as_str())) {
                met.insert((field.clone(), service.clone()));
            } else {
                let shown = |value: Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
                found.push(format!("{service} {field}: {} is {}", shown(a), shown(b)));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let stale: Vec<_> = EXPLAINED
        .iter()
        .flat_map(|(field, at, _)| at.iter().map(move |service| (*field, *service)))
        .filter(|(field, service)| !met.contains(&((*field).to_owned(), (*service).to_owned())))
        // The engine may have forgotten this one, and of what it asks some is the same.
        .filter(|(_, service)| *service != "once")
        .collect();
    assert!(
        stale.is_empty(),
        "explained, and no longer different: {stale:?}"
    );
    pluvio.end();
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What was asked of a container, by path; what an engine has without being asked is left out.
fn fields(container: &Value, name: &str) -> Fields {
    let mut found = Fields::new();
    for section in ["Config", "HostConfig"] {
        for (key, value) in container[section].as_object().into_iter().flatten() {
            let field = format!("{section}.{key}");
            if !NOT_COMPARED.contains(&field.as_str()) {
                found.insert(field, in_order(value));
            }
        }
    }
    if let Some(labels) = found
        .get_mut("Config.Labels")
        .and_then(Value::as_object_mut)
    {
        let own = ["com.docker.compose.", "io.pluvio."];
        labels.retain(|key, _| !own.iter().any(|own| key.starts_with(own)));
    }
    let mode = text_of(&container["HostConfig"]["NetworkMode"]);
    if mode.starts_with("container:") {
        // The engine shows those of the container whose network it is.
        found.retain(|field, _| !matches!(field.as_str(), "Config.Hostname" | "Config.Domainname"));
    }
    let mode = match mode.split_once(':') {
        Some((kind, _)) => kind.to_owned(),
        None => short(&mode, name),
    };
    found.insert("HostConfig.NetworkMode".to_owned(), mode.into());
    found.insert("Mounts".to_owned(), mounts(container));
    found.insert("Networks".to_owned(), networks(container, name));
    found.retain(|_, value| !is_nothing(value));
    found
}

/// Besides those that the file names an instance has the names of the application.
fn has_all(whole: Option<&Value>, part: Option<&Value>) -> bool {
    let items = |list: Option<&Value>| list.and_then(Value::as_array).cloned().unwrap_or_default();
    let whole = items(whole);
    items(part).iter().all(|one| whole.contains(one))
}

/// Of lists whose order means nothing.
fn in_order(value: &Value) -> Value {
    let mut value = value.clone();
    if let Value::Array(all) = &mut value
        && all
            .iter()
            .any(|one| one.is_object() || one.as_str().is_some_and(|one| one.contains('=')))
    {
        all.sort_by_key(Value::to_string);
    }
    value
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_i64() == Some(0),
        Value::String(value) => value.is_empty(),
        Value::Array(all) => all.is_empty() || all.iter().all(is_nothing),
        Value::Object(all) => all.is_empty(),
    }
}

/// Where something is mounted, what, and whether it can be written: volumes have other names, and memory is in `Tmpfs`.
fn mounts(container: &Value) -> Value {
    let mounts = container["Mounts"].as_array().into_iter().flatten();
    let mut all: Vec<Value> = mounts
        .filter(|mount| mount["Type"] != "tmpfs")
        .map(|mount| {
            let source = (mount["Type"] == "bind").then(|| mount["Source"].clone());
            json!([mount["Destination"], mount["Type"], mount["RW"], source])
        })
        .collect();
    all.sort_by_key(Value::to_string);
    all.into()
}

/// `NAME_front`, `pluvio--NAME--front--0a1b2c3d` and `pluvio--NAME--back--internal--0a1b2c3d`.
fn short(network: &str, name: &str) -> String {
    let own = format!("pluvio--{name}--");
    let plain = match (
        network.strip_prefix(&format!("{name}_")),
        network.strip_prefix(&own),
    ) {
        (Some(theirs), _) => theirs,
        (_, Some(ours)) => ours.split("--").next().unwrap_or_default(),
        _ => network,
    };
    plain.to_owned()
}

/// The networks, and the names on each that people gave.
fn networks(container: &Value, name: &str) -> Value {
    let id = text_of(&container["Id"]);
    let called = text_of(&container["Name"]);
    let own = text_of(&container["Config"]["Hostname"]);
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let all: BTreeMap<String, BTreeSet<String>> = networks
        .into_iter()
        .flatten()
        .map(|(network, endpoint)| {
            let aliases = endpoint["Aliases"].as_array().into_iter().flatten();
            let aliases = aliases.map(text_of).filter(|alias| {
                *alias != own
                    && !id.starts_with(alias.as_str())
                    && called.trim_start_matches('/') != alias
            });
            (short(network, name), aliases.collect())
        })
        .collect();
    json!(all)
}

/// A disk of this machine's.
fn block_device() -> String {
    let disks = std::fs::read_dir("/sys/block").expect("Linux has some");
    let mut disks: Vec<String> = disks
        .filter_map(|disk| disk.ok()?.file_name().into_string().ok())
        .map(|name| format!("/dev/{name}"))
        .filter(|path| std::path::Path::new(path).exists() && !path.starts_with("/dev/loop"))
        .collect();
    disks.sort_by_key(|path| path.starts_with("/dev/ram"));
    disks.first().expect("a machine has a disk").clone()
}

/// What needs hardware or a file system that few machines have is compared as it is asked for: what compose tells the engine of a
/// container that is not started, and what the plan says.
#[test]
fn a_gpu_and_a_disks_size_are_asked_for_in_composes_words() {
    let engine = Engine::docker();
    let compose = compose().expect("`docker compose`, which `scripts/install --tests` brings");
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("gpu");
    let devices = |more: &str| {
        format!(
            "    deploy: {{ resources: {{ reservations: {{ devices: [{{ capabilities: [gpu, utility]{more} }}] }} }} }}\n"
        )
    };
    let service = |called: &str, keys: &str| {
        format!("  {called}:\n    image: {IMAGE}\n    command: [sleep, \"600\"]\n{keys}")
    };
    let asked = [
        service("all", &devices("")),
        service("two", &devices(", driver: nvidia, count: 2")),
        service("some", &devices(", device_ids: [\"0\", \"3\"]")),
    ];
    let text = format!("name: {name}\nservices:\n{}", asked.concat());
    let file = pluvio.write("gpus.yaml", &text);
    let created = run(
        &compose,
        &file,
        &["create", "--no-build", "--pull", "never"],
    );
    let listed = engine.labelled(&format!("com.docker.compose.project={name}"));
    let theirs: BTreeMap<String, Value> = listed
        .iter()
        .map(|one| {
            let service = text_of(&one["Labels"]["com.docker.compose.service"]);
            let inspected = engine.inspect(&text_of(&one["Id"]));
            (service, inspected["HostConfig"]["DeviceRequests"].clone())
        })
        .collect();
    run(&compose, &file, &["down", "-v"]).expect("all is taken away again");
    created.expect("compose makes all of them");
    assert_eq!(theirs.len(), 3, "{theirs:#?}");

    // The short form of newer compose means the same, and the size of a container's disk is the engine's own option.
    let more = [
        service("short", "    gpus: all\n"),
        service("disk", "    storage_opt: { size: 1G }\n"),
        service("all-of-it", "    privileged: true\n"),
    ];
    let file = pluvio.write("all.yaml", &format!("{text}{}", more.concat()));
    let words = [
        "plan",
        &file,
        "--for",
        "engine",
        "-o",
        "manifests",
        "--json",
    ];
    let planned = pluvio.cli(&words).ok();
    let of = |service: &str| {
        let all = planned["containers"].as_array().expect("a list").iter();
        let mut all = all.filter(|one| one["body"]["Labels"]["io.pluvio.component"] == service);
        all.next().unwrap_or_else(|| panic!("{planned:#}"))["body"]["HostConfig"].clone()
    };
    for (service, theirs) in &theirs {
        let filled = |request: &Value| {
            let mut request = request.clone();
            for (key, nothing) in [
                ("Driver", json!("")),
                ("Count", json!(0)),
                ("DeviceIDs", Value::Null),
                ("Options", Value::Null),
            ] {
                let value = &mut request[key];
                if value.is_null() || *value == json!({}) {
                    *value = nothing;
                }
            }
            request
        };
        let ours = of(service)["DeviceRequests"].clone();
        let [ours, theirs] = [&ours, theirs].map(|all| {
            let all = all.as_array().cloned().unwrap_or_default();
            all.iter().map(filled).collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs, "{service}");
    }
    assert_eq!(
        of("short")["DeviceRequests"],
        json!([{ "Count": -1, "Capabilities": [["gpu"]] }])
    );
    assert_eq!(of("disk")["StorageOpt"], json!({ "size": "1G" }));
    assert_eq!(of("all-of-it")["Privileged"], true);
    // What the plan hands to the engine in its own words needs a permission, and the report says so.
    let report = pluvio.cli(&["plan", &file, "--json"]).ok();
    let rows = report["report"].as_array().expect("a list");
    for at in ["services.short.gpus", "services.disk.storage_opt"] {
        let row = rows.iter().find(|row| row["at"] == at);
        let row = row.unwrap_or_else(|| panic!("{at}: {report:#}"));
        assert_eq!(row["outcome"], "adapted", "{row:#}");
    }
    pluvio.end();
}
