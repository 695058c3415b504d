//! The schemas that Kubernetes and the Gateway API publish, and whether an object keeps to them.
//!
//! They come from the Go module client, as any Go program that uses them gets them. Where it cannot get them the tests fail:
//! an unchecked object is not a checked one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

const KUBERNETES: &str = "k8s.io/kubernetes@v1.34.4";
const GATEWAY_API: &str = "sigs.k8s.io/gateway-api@v1.3.0";

/// Everything that does not fit, each with its place.
pub(super) fn misfits(object: &Value) -> Vec<String> {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let mut found = Vec::new();
    let schemas = &*SCHEMAS;
    match schemas.by_kind.get(&format!("{api_version} {kind}")) {
        Some(schema) => schemas.check(schema, object, &kind, &mut found),
        None => found.push(format!("there is no schema for {api_version} {kind}")),
    }
    found
}

struct Schemas {
    definitions: HashMap<String, Value>,
    by_kind: HashMap<String, Value>,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let swagger = module(KUBERNETES).join("api/openapi-spec/swagger.json");
    let swagger = std::fs::read(&swagger).unwrap_or_else(|e| panic!("{}: {e}", swagger.display()));
    let mut swagger: Value =
        serde_json::from_slice(&swagger).expect("the OpenAPI document is JSON");
    let Value::Object(definitions) = swagger["definitions"].take() else {
        panic!("the OpenAPI document has no definitions");
    };
    let definitions: HashMap<String, Value> = definitions.into_iter().collect();
    let mut by_kind = HashMap::new();
    for schema in definitions.values() {
        for kind in schema["x-kubernetes-group-version-kind"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let text = |key: &str| kind[key].as_str().unwrap_or_default();
            let version = match text("group") {
                "" => text("version").to_owned(),
                group => format!("{group}/{}", text("version")),
            };
            by_kind.insert(format!("{version} {}", text("kind")), schema.clone());
        }
    }
    let route =
        module(GATEWAY_API).join("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml");
    let route =
        std::fs::read_to_string(&route).unwrap_or_else(|e| panic!("{}: {e}", route.display()));
    let definition = yaml(&route);
    for version in definition["spec"]["versions"].as_array().expect("versions") {
        let name = version["name"].as_str().expect("a version's name");
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        // A definition leaves the metadata to Kubernetes.
        schema["properties"]["metadata"] = serde_json::json!({
            "$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
        });
        by_kind.insert(
            format!("gateway.networking.k8s.io/{name} HTTPRoute"),
            schema,
        );
    }
    Schemas {
        definitions,
        by_kind,
    }
});

/// The folder of a Go module.
fn module(name: &str) -> PathBuf {
    let output = Command::new("go")
        .args(["mod", "download", "-json", name])
        .current_dir(std::env::temp_dir())
        .output()
        .expect("the Go tool chain is needed for the published schemas");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match told["Dir"].as_str() {
        Some(folder) => folder.into(),
        None => panic!(
            "{name} cannot be had: {told} {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

impl Schemas {
    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/definitions/");
            let definition = self.definitions.get(name);
            return match definition {
                Some(definition) => self.check(definition, value, at, found),
                None => found.push(format!(
                    "{at}: the schema refers to {name}, which is not there"
                )),
            };
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            found.push(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        if let (Some(pattern), Some(text)) = (schema["maxLength"].as_u64(), value.as_str())
            && text.len() as u64 > pattern
        {
            found.push(format!("{at}: {text:?} is too long"));
        }
        let is_int_or_string =
            schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true;
        let fits = match schema["type"].as_str() {
            _ if is_int_or_string => value.is_string() || value.is_i64(),
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        if !fits {
            found.push(format!("{at}: {value} is not {}", schema["type"]));
            return;
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}.{index}"), found);
                }
            }
            Value::Object(members) => self.check_members(schema, members, at, found),
            _ => {}
        }
    }

    fn check_members(
        &self,
        schema: &Value,
        members: &Map<String, Value>,
        at: &str,
        found: &mut Vec<String>,
    ) {
        for required in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(required) {
                found.push(format!("{at}: {required} is missing"));
            }
        }
        let open = schema.get("properties").is_none();
        for (name, member) in members {
            let at = format!("{at}.{name}");
            match schema["properties"].get(name) {
                Some(schema) => self.check(schema, member, &at, found),
                None => match &schema["additionalProperties"] {
                    Value::Object(_) => {
                        self.check(&schema["additionalProperties"], member, &at, found);
                    }
                    _ if open => {}
                    _ => found.push(format!("{at}: there is no such field")),
                },
            }
        }
    }
}

/// The first document of a YAML text: plain scalars as YAML 1.2's core schema reads them, no anchors, no tags.
fn yaml(text: &str) -> Value {
    let mut stack: Vec<(Value, Option<String>)> = Vec::new();
    let mut document = Value::Null;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.expect("the schema is YAML");
        let whole = match event {
            Event::MappingStart(..) => {
                stack.push((Value::Object(Map::new()), None));
                continue;
            }
            Event::SequenceStart(..) => {
                stack.push((Value::Array(Vec::new()), None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => stack.pop().expect("it was begun").0,
            Event::Scalar(text, style, ..) => match stack.last_mut() {
                Some((Value::Object(_), key @ None)) => {
                    *key = Some(text.into_owned());
                    continue;
                }
                _ => scalar(&text, style),
            },
            _ => continue,
        };
        match stack.last_mut() {
            Some((Value::Object(members), key)) => {
                members.insert(key.take().expect("a key comes first"), whole);
            }
            Some((Value::Array(items), _)) => items.push(whole),
            _ => document = whole,
        }
    }
    document
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "true" => true.into(),
        "false" => false.into(),
        "" | "null" | "~" => Value::Null,
        text => text
            .parse::<i64>()
            .map_or_else(|_| text.into(), Value::from),
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let service = serde_json::json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "a", "lables": {} },
        "spec": { "ports": [{ "port": "80", "targetPort": "http" }], "clusterIP": 7 },
    });
    assert_eq!(
        misfits(&service),
        [
            "Service.metadata.lables: there is no such field",
            "Service.spec.ports.0.port: \"80\" is not \"integer\"",
            "Service.spec.clusterIP: 7 is not \"string\"",
        ]
    );
    let route = serde_json::json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "name": "a" },
        "spec": { "rules": [{ "matches": [{ "path": { "type": "Prefix" } }] }], "hosts": [] },
    });
    assert_eq!(misfits(&route).len(), 2, "{:?}", misfits(&route));
    let unknown = serde_json::json!({ "apiVersion": "v9", "kind": "Thing" });
    assert_eq!(misfits(&unknown), ["there is no schema for v9 Thing"]);
}
