//! No operation without its permission: generated from the OpenAPI document, each is tried as nobody, as a stranger, as a
//! reader and as an owner, on things that are there and on things that are not.

use http::Method;
use serde_json::{Value, json};

use crate::scene::{Answer, SECRET, Scene, logged};

struct Operation {
    method: Method,
    path: String,
    permission: String,
    document: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// For nobody: signing in, and the version.
    fn is_open(&self) -> bool {
        self.permission == "nobody"
    }

    /// About whoever asks, not about a team.
    fn is_own(&self) -> bool {
        self.permission == "self"
    }

    fn is_read(&self) -> bool {
        self.permission.ends_with(":read")
    }

    /// A request that fits the document. `there`: of the things that the scene has; else of things that are nowhere.
    async fn send(&self, scene: &Scene, root: &Value, token: &str, there: bool) -> Answer {
        let operation = scene.operation.id.to_string();
        let mut path = self.path.clone();
        for (name, is, is_not) in [
            ("team", "main", "main"),
            ("environment", "production", "production"),
            ("application", "shop", "nowhere"),
            ("component", "web", "nothing"),
            ("secret", "KEY", "NONE"),
            ("release", "1", "7"),
            ("instance", "shop--web--1", "nowhere--1"),
            (
                "operation",
                &operation,
                "01890000-0000-7000-8000-000000000009",
            ),
            (
                "token",
                "01890000-0000-7000-8000-000000000008",
                "01890000-0000-7000-8000-000000000009",
            ),
            (
                "passkey",
                "01890000-0000-7000-8000-000000000008",
                "01890000-0000-7000-8000-000000000009",
            ),
            (
                "volume",
                "01890000-0000-7000-8000-000000000008",
                "01890000-0000-7000-8000-000000000009",
            ),
            (
                "backup",
                "01890000-0000-7000-8000-000000000008",
                "01890000-0000-7000-8000-000000000009",
            ),
            ("user", "reader", "nobody"),
            ("credential", "one", "other"),
            ("cluster", "local", "nowhere"),
            ("kind", "pods", "things"),
            ("name", "coredns", "nothing"),
        ] {
            path = path.replace(&format!("{{{name}}}"), if there { is } else { is_not });
        }
        assert!(
            !path.contains('{'),
            "{path}: a parameter without an example here"
        );
        let parameters = self.document["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let query: Vec<String> = parameters
            .iter()
            .filter(|one| one["in"] == "query" && one["required"] == true)
            .map(|one| {
                let value = example(root, &one["schema"]);
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                format!("{}={text}", one["name"].as_str().unwrap())
            })
            .collect();
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let body = self.document["requestBody"]["content"]["application/json"]["schema"].clone();
        let body = (!body.is_null()).then(|| example(root, &body));
        let answer = scene
            .ask(self.method.clone(), &path, token, body.as_ref())
            .await;
        let documented = &self.document["responses"][answer.status.as_str()];
        assert!(
            documented.is_object(),
            "{}: undocumented {answer:?}",
            self.name()
        );
        if answer.status.is_client_error() || answer.status.is_server_error() {
            answer.code();
        }
        assert!(!answer.text.contains(SECRET), "{}: {answer:?}", self.name());
        answer
    }
}

/// The least that a schema takes.
fn example(root: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return example(root, &root["components"]["schemas"][name]);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[choice].get(0) {
            return example(root, first);
        }
    }
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].clone(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("object") => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = required.iter().filter_map(Value::as_str);
            fields
                .map(|field| {
                    (
                        field.to_owned(),
                        example(root, &schema["properties"][field]),
                    )
                })
                .collect()
        }
        Some("array") => json!([]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        _ => json!("registry"),
    }
}

fn operations(root: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in root["paths"].as_object().unwrap() {
        for (method, document) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse() else {
                continue;
            };
            let permission = document["x-permission"].as_str();
            let permission =
                permission.unwrap_or_else(|| panic!("{method} {path} declares no x-permission"));
            all.push(Operation {
                method,
                path: path.clone(),
                permission: permission.to_owned(),
                document: document.clone(),
            });
        }
    }
    assert!(all.len() > 40);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_strangers_and_readers_get_what_is_declared_and_learn_nothing_else() {
    let log = logged();
    let scene = Scene::new().await;
    let root: Value = serde_json::from_str(&pluvio_server::openapi()).unwrap();
    let operations = operations(&root);
    let mut ids = std::collections::BTreeSet::new();
    for operation in &operations {
        let name = operation.name();
        let known = pluvio_model::permission::Permission::ALL
            .iter()
            .any(|p| p.as_str() == operation.permission);
        assert!(
            known || operation.is_open() || operation.is_own(),
            "{name}: {}",
            operation.permission
        );
        assert!(
            ids.insert(operation.document["operationId"].to_string()),
            "{name}: its id is another's"
        );
        if operation.is_open() {
            continue;
        }
        let nobody = operation.send(&scene, &root, "", true).await;
        assert_eq!(nobody.code(), "auth.required", "{name}");
        assert_eq!(
            nobody,
            operation.send(&scene, &root, "", false).await,
            "{name}"
        );
        let wrong = operation.send(&scene, &root, "pluvio_wrong", true).await;
        assert_eq!(wrong.code(), "auth.invalid", "{name}");
        if operation.is_own() {
            continue;
        }
        let stranger = operation.send(&scene, &root, &scene.stranger, true).await;
        assert_eq!(stranger.code(), "not-found", "{name}");
        assert_eq!(
            stranger,
            operation.send(&scene, &root, &scene.stranger, false).await,
            "{name}"
        );
        let reader = operation.send(&scene, &root, &scene.reader, true).await;
        if operation.is_read() {
            assert!(
                ![401, 403].contains(&reader.status.as_u16()),
                "{name}: {reader:?}"
            );
        } else {
            assert_eq!(reader.code(), "permission.denied", "{name}");
            // The refusal names what the handler asked for.
            let cause = reader.json()["cause"].to_string();
            assert!(
                cause.contains(&format!("needs {}.", operation.permission)),
                "{name}: {cause}"
            );
        }
    }
    // Changes last: some of them end what the others need.
    let (reads, changes): (Vec<_>, Vec<_>) =
        operations.iter().partition(|one| one.method == Method::GET);
    for operation in reads
        .into_iter()
        .chain(changes)
        .filter(|one| !one.is_open())
    {
        let owner = operation.send(&scene, &root, &scene.owner, true).await;
        let may = ![401, 403].contains(&owner.status.as_u16());
        assert!(may || operation.is_own(), "{}: {owner:?}", operation.name());
    }
    let log = String::from_utf8_lossy(&log.lock().unwrap()).into_owned();
    assert!(!log.contains(SECRET), "a secret is in the log");
}

/// A token never does more than its own role, whoever made it.
#[tokio::test(flavor = "multi_thread")]
async fn a_readers_token_of_an_owner_reads() {
    let scene = Scene::new().await;
    let owner = scene.store.home().owner;
    let (_, token) =
        crate::scene::token(&scene.store, owner, pluvio_model::permission::Role::Reader).await;
    let may = |answer: Answer| answer.status.as_u16();
    assert_eq!(
        may(scene
            .ask(Method::GET, "/api/v1/session", &token, None)
            .await),
        200
    );
    for path in ["/api/v1/signin-links", "/api/v1/cluster/rebind"] {
        assert_eq!(
            may(scene.ask(Method::POST, path, &token, None).await),
            403,
            "{path}"
        );
    }
    let more = json!({ "name": "more", "role": "owner" });
    assert_eq!(
        may(scene
            .ask(Method::POST, "/api/v1/tokens", &token, Some(&more))
            .await),
        403
    );
    let password = json!({ "password": "four random words here" });
    assert_eq!(
        may(scene
            .ask(
                Method::PUT,
                "/api/v1/session/password",
                &token,
                Some(&password)
            )
            .await),
        403
    );
}
