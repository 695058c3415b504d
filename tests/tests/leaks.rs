//! P4 over a whole application: generated and given secrets in variables, files, hot files, exports, a database's address, a
//! release task, a job and programs that print them and fail; then every place is searched for their values, also in the
//! forms that they take on the way (base64, percent-encoded).

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::image::IMAGE;
use pluvio_tests::{Engine, Pluvio, both_engines};
use serde_json::Value;

both_engines!(p4_no_secret_of_a_whole_application_is_anywhere_else);

const COLD: Duration = Duration::from_secs(580);
/// Given by a person; has what is written otherwise in addresses, JSON and shells.
const KEY: &str = "Kp/7+w=very:particular@value&Q9";
const NEXT: &str = "Nx/8+w=second:particular@value&M4";

fn yaml(name: &str, greeting: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
secrets: {{ KEY: {{}}, MADE: {{ generate: true }} }}
groups:
  all: {{ env: {{ SHARED: \"shared-${{secrets.MADE}}\" }} }}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s, deadline: 20s }}
    groups: [all]
    uses: [api, cache]
    env:
      GREETING: {greeting}
      KEY: \"${{secrets.KEY}}\"
      MADE: \"${{secrets.MADE}}\"
      CACHE_URL: \"${{cache.url}}\"
    files:
      /tmp/key: {{ content: \"key=${{secrets.KEY}}\" }}
      /tmp/hot: {{ content: \"hot=${{secrets.MADE}}\", hot: true }}
    release: {{ command: [sh, -c, \"echo task $KEY $MADE $CACHE_URL\"] }}
  api:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    routes: []
    env: {{ GREETING: api, MADE: \"${{secrets.MADE}}\" }}
    exports: {{ API_TOKEN: \"token-${{secrets.MADE}}\" }}
  seed:
    kind: job
    image: {IMAGE}
    command: [sh, -c, \"echo job $KEY; echo $MADE >&2\"]
    env: {{ KEY: \"${{secrets.KEY}}\", MADE: \"${{secrets.MADE}}\" }}
  cache:
    kind: database
    database: redis@7
"
    )
}

/// A secret in every form that it may take.
fn forms(secret: &str) -> BTreeSet<String> {
    let mut encoded = String::new();
    for byte in secret.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte as char);
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    let mut forms = BTreeSet::from([secret.to_owned(), encoded]);
    // Wherever it begins within what was encoded; the first and last digits depend on the neighbours.
    for before in 0..3 {
        let bytes = [&vec![b' '; before], secret.as_bytes()].concat();
        let text = base64(&bytes);
        forms.insert(text[4..text.len() - 4].to_owned());
        forms.insert(text[4..text.len() - 4].replace('+', "-").replace('/', "_"));
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| DIGITS[(bits & 63) as usize] as char;
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let at = |n: usize| u32::from(part.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        text.extend([18, 12, 6, 0].map(|shift| digit(bits >> shift)));
    }
    text
}

/// The secrets, and what was found of them where.
struct Search {
    forms: BTreeSet<String>,
    found: Vec<String>,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8]) {
        for form in &self.forms {
            let there = bytes
                .windows(form.len())
                .position(|part| part == form.as_bytes());
            if let Some(at) = there {
                let from = &bytes[at.saturating_sub(60)..];
                let text = String::from_utf8_lossy(&from[..from.len().min(160)]).into_owned();
                self.found.push(format!("{place}: …{text}…"));
            }
        }
    }

    fn json(&mut self, place: &str, value: &Value) {
        self.look(place, value.to_string().as_bytes());
    }
}

/// Asks the API as the machine's owner, for three seconds: streams do not end.
fn ask(pluvio: &Pluvio, path: &str) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["-sS", "-g", "--max-time", "3", "--unix-socket"])
        .arg(pluvio.data().join("control.sock"))
        .arg(format!("http://localhost{path}"))
        .output()
        .expect("curl runs");
    output.stdout
}

fn json(pluvio: &Pluvio, path: &str) -> Value {
    serde_json::from_slice(&ask(pluvio, path)).unwrap_or(Value::Null)
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let items = value.as_array().or(value["items"].as_array());
    let of = |item: &Value| match &item[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    items.into_iter().flatten().map(of).collect()
}

/// Every GET of the API's own document, for this application.
fn every_answer(pluvio: &Pluvio, name: &str, search: &mut Search) {
    let home = "/api/v1/teams/main/environments/production";
    let document = json(pluvio, "/api/v1/openapi.json");
    let releases = texts(
        &json(pluvio, &format!("{home}/applications/{name}/releases")),
        "number",
    );
    let operations = texts(&json(pluvio, &format!("{home}/operations?limit=100")), "id");
    let status = json(pluvio, &format!("{home}/applications/{name}")).to_string();
    assert!(
        releases.len() >= 2 && operations.len() >= 3 && status.contains("web"),
        "{releases:?} {operations:?} {status}"
    );
    let paths = document["paths"].as_object().expect("a document").clone();
    let mut asked = 0;
    for (path, _) in paths.iter().filter(|(_, verbs)| verbs["get"].is_object()) {
        // These answer over a connection that is switched, or say an address with its password to whoever may read it.
        if ["/exec", "/connect", "/url"]
            .iter()
            .any(|end| path.ends_with(end))
        {
            continue;
        }
        let path = path
            .replace("{team}", "main")
            .replace("{environment}", "production")
            .replace("{application}", name)
            .replace("{component}", "web");
        let each = |part: &str, values: &[String]| -> Vec<String> {
            match path.contains(part) {
                true => values.iter().map(|one| path.replace(part, one)).collect(),
                false => Vec::new(),
            }
        };
        let mut all = each("{release}", &releases);
        all.extend(each("{operation}", &operations));
        if all.is_empty() {
            all.push(path.clone());
        }
        for path in all {
            let query = match &path {
                path if path.ends_with("/releases/diff") => {
                    format!("?from={}&to={}", releases[releases.len() - 1], releases[0])
                }
                path if path.ends_with("/audit") => "?limit=200".to_owned(),
                path if path.ends_with("/usage") => "?history=true".to_owned(),
                _ => String::new(),
            };
            let answer = ask(pluvio, &format!("{path}{query}"));
            search.look(&format!("GET {path}"), &answer);
            asked += usize::from(!answer.is_empty());
        }
    }
    assert!(asked > 25, "only {asked} answers");
    // Everything that happened, from the first event on.
    let events = Command::new("curl")
        .args(["-sS", "-N", "--max-time", "3", "-H", "last-event-id: 0"])
        .arg("--unix-socket")
        .arg(pluvio.data().join("control.sock"))
        .arg(format!("http://localhost{home}/events"))
        .output()
        .expect("curl runs");
    assert!(!events.stdout.is_empty(), "no event is told");
    search.look("the stream of events", &events.stdout);
}

/// Processes of this machine but those of containers: what they were started with and what they were given.
fn every_process(search: &mut Search) {
    let ours = std::fs::read_link("/proc/self/ns/pid").expect("a namespace");
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let process = entry.path();
        if std::fs::read_link(process.join("ns/pid")).ok().as_ref() != Some(&ours) {
            continue;
        }
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(process.join(file)).unwrap_or_default();
            let shown = String::from_utf8_lossy(&command).replace('\0', " ");
            search.look(&format!("{file} of {shown}"), &bytes);
        }
    }
}

/// Everything on the engine but the application's own containers.
fn every_object(pluvio: &Pluvio, name: &str, search: &mut Search) {
    let engine = &pluvio.engine;
    let list = |path: &str| engine.request("GET", path, None).1;
    let containers = list("/containers/json?all=true");
    for container in containers.as_array().into_iter().flatten() {
        let called = name_of(container);
        let (_, inspected) = engine.request("GET", &format!("/containers/{called}/json"), None);
        if called.starts_with(&format!("{name}--")) {
            // Its variables and its files are its own; what is said about it is not.
            search.json(
                &format!("labels of {called}"),
                &inspected["Config"]["Labels"],
            );
            search.json(&format!("arguments of {called}"), &inspected["Args"]);
        } else {
            search.json(&format!("container {called}"), &inspected);
        }
    }
    search.json("networks", &list("/networks"));
    search.json("volumes", &list("/volumes"));
    let images = list("/images/json?all=true");
    for id in texts(&images, "Id") {
        search.json("an image", &list(&format!("/images/{id}/json")));
        search.json(
            "an image's history",
            &list(&format!("/images/{id}/history")),
        );
    }
}

/// Every file of the data folder. The stage is the one exception: the node starts instances from it without control, after a
/// reboot too; nobody else may read it.
fn every_file(folder: &Path, search: &mut Search) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            every_file(&path, search);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if path
                .parent()
                .is_some_and(|parent| parent.ends_with("node/stages"))
            {
                let mode = std::fs::metadata(&path).map(|data| data.permissions().mode() & 0o777);
                assert!(
                    mode.as_ref().is_ok_and(|mode| *mode == 0o600) || mode.is_err(),
                    "{} may be read by others: {mode:?}",
                    path.display()
                );
            } else {
                search.look(&path.display().to_string(), &bytes);
            }
        }
    }
}

fn p4_no_secret_of_a_whole_application_is_anywhere_else(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let (name, other) = (pluvio.name("p4w"), pluvio.name("p4x"));
    let deploy = |text: &str| {
        let file = pluvio.write("app.yaml", text);
        pluvio.cli_within(&["deploy", &file, "--json", "--timeout", "9m"], COLD)
    };
    deploy(&pluvio_tests::app::yaml(&other, "other", 1, "")).ok();
    let good = |greeting: &str| yaml(&name, greeting);
    let set = |value: &str| {
        pluvio.cli_with_input(&["secret", "set", "KEY", "-a", &name, "--json"], value)
    };
    let mut said: Vec<(String, String)> = Vec::new();
    let mut hear = |what: &str, answer: &pluvio_tests::Answer| {
        said.push((format!("{what}, out"), answer.stdout.clone()));
        said.push((format!("{what}, err"), answer.stderr.clone()));
    };
    hear("deploy without a value", &deploy(&good("one")));
    set(KEY).ok();
    let first = deploy(&good("one"));
    first.ok();
    hear("deploy", &first);
    let env = pluvio.body(&name, "/env");
    let value = |key: &str| {
        let line = env
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{key}=")));
        line.unwrap_or_else(|| panic!("{key} is not given: {env}"))
            .to_owned()
    };
    assert_eq!(value("KEY"), KEY);
    let made = value("MADE");
    let cache = value("CACHE_URL");
    let password = cache
        .split('@')
        .next()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    assert!(made.len() >= 32 && password.len() >= 32, "{env}");
    assert_eq!(value("SHARED"), format!("shared-{made}"));
    assert_eq!(value("API_TOKEN"), format!("token-{made}"));
    assert_eq!(pluvio.body(&name, "/file?/tmp/hot"), format!("hot={made}"));
    let mut search = Search {
        forms: [KEY, NEXT, &made, &password]
            .into_iter()
            .flat_map(forms)
            .collect(),
        found: Vec::new(),
    };

    // It changes, in variables and in a hot file.
    set(NEXT).ok();
    pluvio.until_serves(&name, "/env", NEXT, Duration::from_secs(30));
    hear(
        "plan",
        &pluvio.cli(&["diff", "-f", &pluvio.write("next.yaml", &good("two"))]),
    );
    hear("second deploy", &deploy(&good("two")));
    // Programs that print what they were given, and fail.
    let crash = good("\"said ${secrets.KEY} ${secrets.MADE} ${cache.url}\"")
        .replace("      KEY: ", "      FAIL: exit\n      KEY: ");
    let crashed = deploy(&crash);
    assert_ne!(crashed.exit, 0, "{crashed:?}");
    hear("a crash", &crashed);
    let task = good("three").replace("echo task $KEY", "echo failing task $KEY; exit 7; echo");
    let failed = deploy(&task);
    assert_ne!(failed.exit, 0, "{failed:?}");
    hear("a task that fails", &failed);
    // What is refused says what it refuses.
    for wrong in [
        good("\"${secrets.KEYS}\""),
        good("\"${secrets.KEY\""),
        good("\"${cache.nothing}\""),
        good("one").replace("uses: [api, cache]", "uses: [api, cache, nobody]"),
        good("one").replace("/tmp/key:", "key:"),
    ] {
        let refused = deploy(&wrong);
        assert_ne!(refused.exit, 0, "{refused:?}");
        hear("what is refused", &refused);
    }
    // Requests that carry it, as a careless application has them, stay out of what the gateway writes down.
    let secret_query = forms(KEY)
        .into_iter()
        .find(|form| form.contains("%2F"))
        .unwrap();
    let _ = pluvio.get(&name, &format!("/?token={secret_query}"));

    for words in [
        &["status", "-a", &name][..],
        &["status", "-a", &name, "--json"],
        &["export", "-a", &name],
        &["config", "-a", &name, "--json"],
        &["secret", "list", "-a", &name, "--json"],
        &["releases", "-a", &name, "--json"],
        &["operations", "-a", &name, "--json"],
        &["runs", "-a", &name, "--json"],
        &["logs", "-a", &name, "-n", "500"],
        &["audit", "--all", "-n", "500", "--json"],
        &["doctor", "--json"],
    ] {
        let answer = pluvio.cli(words);
        hear(&words.join(" "), &answer);
    }
    for (what, text) in &said {
        search.look(what, text.as_bytes());
    }
    every_answer(&pluvio, &name, &mut search);
    every_process(&mut search);
    every_object(&pluvio, &name, &mut search);
    every_file(pluvio.data(), &mut search);
    assert!(search.found.is_empty(), "{:#?}", search.found);
    pluvio.end();
}
