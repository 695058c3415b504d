//! Random applications, and what is asked of them.

use pluvio_model::spec::AppSpec;
use serde_json::{Value, json};

use crate::chance::Chance;

/// What stays of an application whatever is deployed: its parts.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    parts: Vec<&'static str>,
    database: &'static str,
}

impl Shape {
    pub(crate) fn new(chance: &mut Chance) -> Shape {
        let mut parts: Vec<&'static str> = Vec::new();
        for (part, percent) in [
            ("db", 35),
            ("own", 45),
            ("set", 20),
            ("web", 85),
            ("api", 35),
            ("job", 25),
            ("tick", 25),
            ("each", 10),
        ] {
            if chance.percent(percent) {
                parts.push(part);
            }
        }
        if parts.is_empty() {
            parts.push("web");
        }
        Shape {
            parts,
            database: chance.one::<&str>(&["postgres@15", "redis@7"]),
        }
    }

    /// A specification of this shape, mostly a good one.
    pub(crate) fn spec(&self, name: &str, chance: &mut Chance) -> AppSpec {
        let mut components = serde_json::Map::new();
        for part in &self.parts {
            // What was there may be gone, and come again.
            if components.is_empty() || chance.percent(92) {
                let before: Vec<String> = components.keys().cloned().collect();
                components.insert((*part).to_owned(), self.component(part, &before, chance));
            }
        }
        let spec = json!({
            "apiVersion": "pluvio/v1",
            "name": name,
            "secrets": { "MADE": { "generate": true }, "KEY": {} },
            "groups": { "all": { "env": { "LEVEL": chance.below(2).to_string() } } },
            "components": components,
        });
        serde_json::from_value(spec).unwrap()
    }

    fn component(&self, part: &str, before: &[String], chance: &mut Chance) -> Value {
        let rollout = json!({ "drain": "1s", "grace": "1s", "deadline": "20s" });
        if part == "db" {
            return json!({ "kind": "database", "database": self.database, "rollout": rollout });
        }
        let mut one = json!({
            "image": image(chance),
            "env": { "MADE": "${secrets.MADE}", "VERSION": chance.below(3).to_string() },
            "groups": ["all"],
            "rollout": rollout,
        });
        let set = |one: &mut Value, key: &str, value: Value| {
            one[key] = value;
        };
        let uses: Vec<&String> = before.iter().filter(|_| chance.percent(40)).collect();
        let uses: Vec<&&String> = uses
            .iter()
            .filter(|used| !matches!(used.as_str(), "tick" | "job"))
            .collect();
        if !uses.is_empty() {
            set(&mut one, "uses", json!(uses));
        }
        match part {
            "job" => set(&mut one, "kind", json!("job")),
            "tick" => {
                set(&mut one, "kind", json!("cron"));
                let overlap = chance.percent(30);
                set(
                    &mut one,
                    "schedule",
                    json!({ "cron": "*/2 * * * *", "overlap": overlap }),
                );
            }
            _ => {
                set(&mut one, "probes", probe());
                if chance.percent(35) {
                    set(
                        &mut one,
                        "release",
                        json!({ "command": ["/migrate", chance.below(2).to_string()] }),
                    );
                }
            }
        }
        match part {
            "web" | "api" => {
                set(&mut one, "ports", json!({ "http": { "port": 8080 } }));
                set(&mut one, "instances", json!(chance.below(4)));
                if chance.percent(30) {
                    let mount = json!({ "name": "common-data", "access": "shared" });
                    set(&mut one, "volumes", json!({ "/common": mount }));
                }
                if chance.percent(30) {
                    one["env"]["KEY"] = json!("${secrets.KEY}");
                }
                if chance.percent(15) {
                    let file =
                        json!({ "content": format!("level = {}", chance.below(3)), "hot": true });
                    set(&mut one, "files", json!({ "/etc/level": file }));
                }
            }
            "own" => set(
                &mut one,
                "volumes",
                json!({ "/data": { "name": "own-data" } }),
            ),
            "set" => {
                set(&mut one, "kind", json!("stateful"));
                set(&mut one, "instances", json!(1 + chance.below(2)));
                set(
                    &mut one,
                    "volumes",
                    json!({ "/data": { "name": "set-data" } }),
                );
            }
            "each" => set(&mut one, "kind", json!("daemon")),
            _ => {}
        }
        if chance.percent(20) {
            one["init"] = json!({ "prepare": beside(&one, chance) });
            // The engine of the test looks after it by this.
            one["env"]["INIT"] = json!("prepare");
        }
        if !matches!(part, "job" | "tick") && chance.percent(25) {
            let mut sidecar = beside(&one, chance);
            if chance.percent(40) {
                sidecar["probes"] = probe();
            }
            set(&mut one, "sidecars", json!({ "beside": sidecar }));
        }
        one
    }

    pub(crate) fn part(&self, chance: &mut Chance) -> &'static str {
        chance.one::<&str>(&self.parts)
    }
}

fn probe() -> Value {
    json!({ "ready": { "command": ["/healthy"], "period": "1s" } })
}

/// A container before or beside a component's main one, with the same volumes now and then.
fn beside(main: &Value, chance: &mut Chance) -> Value {
    let mut one = json!({ "image": image(chance), "env": { "MADE": "${secrets.MADE}" } });
    if let Some(volumes) = main.get("volumes").filter(|_| chance.percent(50)) {
        one["volumes"] = volumes.clone();
    }
    one
}

fn image(chance: &mut Chance) -> String {
    match chance.below(100) {
        0..5 => "localhost/sick:1".to_owned(),
        5..9 => "localhost/crashes:1".to_owned(),
        9..11 => "localhost/missing:1".to_owned(),
        _ => format!("localhost/well:{}", 1 + chance.below(3)),
    }
}
