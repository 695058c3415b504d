//! What a cluster does not take or cannot start is told within ten seconds, in words that help.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use pluvio_kubernetes::{Config, KubernetesRuntime};
use pluvio_model::problem::Problem;
use pluvio_runtime::{Events, Runtime, Scope};
use serde_json::{Value, json};

use crate::scene::{self, Steps};
use crate::shop::Shop;

/// Three times what is promised, for machines that do more than this.
const SOON: Duration = Duration::from_secs(30);

struct Place {
    config: Config,
    runtime: KubernetesRuntime,
    spaces: Spaces,
}

impl Place {
    async fn start() -> Place {
        scene::image().await;
        let connection = scene::connection().await;
        let config = Config {
            namespace: format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]),
            ..Config::default()
        };
        let runtime = KubernetesRuntime::start(connection, config.clone()).await;
        Place {
            spaces: Spaces(vec![config.namespace.clone()]),
            config,
            runtime: runtime.expect("the runtime starts"),
        }
    }

    /// An application in a namespace that has something already.
    async fn shop(&mut self, components: Value, there: &[Value]) -> Shop {
        let connection = scene::connection().await;
        let shop = Shop::new(connection.identity, components);
        let namespace = shop.namespace();
        self.spaces.0.push(namespace.clone());
        create(
            &json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        );
        for object in there {
            let mut object = object.clone();
            object["metadata"]["namespace"] = json!(namespace);
            create(&object);
        }
        shop
    }

    /// What the next stage runs into.
    async fn problem(&self, shop: &mut Shop) -> Problem {
        self.problem_that(shop, |_| true).await
    }

    /// The same, where what is told changes as more of it is seen.
    async fn problem_that(&self, shop: &mut Shop, is_it: impl Fn(&Problem) -> bool) -> Problem {
        let stage = shop.stage();
        self.runtime
            .apply(&stage)
            .await
            .expect("the stage is taken");
        let begun = Instant::now();
        let mut seen = None;
        while begun.elapsed() < SOON {
            let all = self.runtime.observe(Scope::Application(shop.application));
            let mut all = all.await.expect("it is seen");
            seen = all.applications.remove(&shop.application);
            if let Some(problem) = seen.as_ref().and_then(|seen| seen.problem.clone()) {
                assert!(!problem.remedy.is_empty(), "{problem:?}");
                if is_it(&problem) {
                    return problem;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing was told: {seen:#?}");
    }

    /// That of an application that is not looked at any further.
    async fn refused(&mut self, components: Value, there: &[Value]) -> Problem {
        let mut shop = self.shop(components, there).await;
        let problem = self.problem(&mut shop).await;
        shop.end(&self.runtime).await;
        problem
    }

    async fn end(self) {
        self.runtime.stop().await;
    }
}

/// Namespaces, which go however the test ends.
struct Spaces(Vec<String>);

impl Drop for Spaces {
    fn drop(&mut self) {
        let words = ["delete", "namespace", "--ignore-not-found", "--wait=false"];
        let all = words.into_iter().chain(self.0.iter().map(String::as_str));
        scene::kubectl(&all.collect::<Vec<_>>());
    }
}

fn create(object: &Value) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, object.to_string().as_bytes()).expect("it is written");
    scene::kubectl(&["create", "-f", file.path().to_str().expect("a path")]);
}

fn web(more: &Value) -> Value {
    let mut web = json!({
        "image": scene::IMAGE,
        "probes": { "ready": { "command": ["true"] } },
        "rollout": { "grace": "1s", "drain": "1s" },
    });
    for (key, value) in more.as_object().expect("keys") {
        web[key] = value.clone();
    }
    json!({ "web": web })
}

fn quota() -> Value {
    json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "few" }, "spec": { "hard": { "pods": "0" } } })
}

#[track_caller]
fn says(problem: &Problem, code: &str, words: &[&str]) {
    assert_eq!(problem.code, code, "{problem:?}");
    for word in words {
        assert!(problem.cause.contains(word), "{word}: {problem:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_pods_are_told_of_every_kind_of_workload() {
    let mut place = Place::start().await;
    for kind in ["service", "stateful", "daemon"] {
        let problem = place
            .refused(web(&json!({ "kind": kind })), &[quota()])
            .await;
        says(
            &problem,
            "cluster.quota",
            &["The quota few", "the pods of web", "requested: pods=1"],
        );
        let at = problem.at.expect("a place");
        assert_eq!(at.path, "components.web");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_of_a_namespace_are_told_and_a_release_after_a_change_goes_on() {
    let mut place = Place::start().await;
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "small" },
        "spec": { "limits": [{ "type": "Container", "max": { "memory": "32Mi" } }] },
    });
    let much = web(&json!({ "resources": { "memory": { "limit": "64Mi" } } }));
    let mut shop = place.shop(much, &[range]).await;
    let problem = place.problem(&mut shop).await;
    says(
        &problem,
        "cluster.policy",
        &["A LimitRange", "maximum memory usage per Container is 32Mi"],
    );
    // The rule is taken back; what was said before it was holds up nothing, whatever the release asks for.
    scene::kubectl(&["delete", "limitrange", "small", "-n", &shop.namespace()]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.bring(&place.runtime).await;

    // Stricter from now on.
    let label = "pod-security.kubernetes.io/enforce=restricted";
    scene::kubectl(&[
        "label",
        "--overwrite",
        "namespace",
        &shop.namespace(),
        label,
    ]);
    shop.components["web"]["env"] = json!({ "A": "b" });
    let problem = place.problem(&mut shop).await;
    says(
        &problem,
        "cluster.policy",
        &["pod security standard", "restricted", "the pods of web"],
    );
    shop.end(&place.runtime).await;

    // A quota that is about memory, and a component that says nothing of it.
    let wants = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "memory" },
        "spec": { "hard": { "limits.memory": "1Gi" } },
    });
    let problem = place.refused(web(&json!({})), &[wants]).await;
    says(
        &problem,
        "cluster.policy",
        &["The quota memory", "must specify limits.memory"],
    );
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_and_webhooks_are_told() {
    let mut place = Place::start().await;
    let name = place.config.namespace.clone();
    let mut shop = place.shop(web(&json!({})), &[]).await;
    let only = json!({ "matchLabels": { "kubernetes.io/metadata.name": shop.namespace() } });
    let rules = |resource: &str, group: &str| json!([{ "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource] }]);
    create(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
        "spec": {
            "matchConstraints": { "resourceRules": rules("pods", "") },
            "validations": [{ "expression": "false", "message": "a team is wanted" }],
        },
    }));
    create(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
        "spec": { "policyName": name, "validationActions": ["Deny"], "matchResources": { "namespaceSelector": only } },
    }));
    // The API server takes a moment to know it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let problem = place.problem(&mut shop).await;
    scene::kubectl(&["delete", "validatingadmissionpolicybinding", &name]);
    scene::kubectl(&["delete", "validatingadmissionpolicy", &name]);
    says(
        &problem,
        "cluster.policy",
        &["a team is wanted", "the pods of web"],
    );

    // One whose server is away: of what is written itself.
    create(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": { "name": name },
        "webhooks": [{
            "name": "rules.pluvio.invalid", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
            "timeoutSeconds": 1, "namespaceSelector": only, "rules": rules("deployments", "apps"),
            "clientConfig": { "url": "https://127.0.0.1:1/" },
        }],
    }));
    tokio::time::sleep(Duration::from_secs(3)).await;
    shop.components["web"]["env"] = json!({ "A": "b" });
    let stage = shop.stage();
    place
        .runtime
        .apply(&stage)
        .await
        .expect("the stage is taken");
    let begun = Instant::now();
    let problem = loop {
        let all = place
            .runtime
            .observe(Scope::Application(shop.application))
            .await;
        let mut all = all.expect("it is seen");
        let seen = all
            .applications
            .remove(&shop.application)
            .expect("it is known");
        match seen.problem {
            Some(problem) if problem.code == "cluster.unfit" => break problem,
            other => assert!(begun.elapsed() < SOON, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    scene::kubectl(&["delete", "validatingwebhookconfiguration", &name]);
    says(
        &problem,
        "cluster.unfit",
        &["rules.pluvio.invalid", "does not answer"],
    );
    // Nobody refuses any more: it goes on by itself.
    shop.settled(&place.runtime).await;
    shop.end(&place.runtime).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_do_not_start_are_told() {
    let mut place = Place::start().await;
    let told = place
        .refused(
            web(&json!({ "resources": { "cpu": { "request": 1000 } } })),
            &[],
        )
        .await;
    says(
        &told,
        "cluster.no-room",
        &["takes web: of 1, 1 with too little CPU left."],
    );
    assert!(
        told.evidence
            .iter()
            .any(|line| line.contains("Insufficient cpu")),
        "{told:?}"
    );
    let told = place
        .refused(
            web(&json!({ "resources": { "memory": { "request": "9Ti" } } })),
            &[],
        )
        .await;
    says(&told, "cluster.no-room", &["1 with too little memory left"]);
    let labels = json!({ "placement": { "nodeLabels": { "pluvio.invalid/disk": "fast" } } });
    let told = place.refused(web(&labels), &[]).await;
    says(
        &told,
        "cluster.no-room",
        &["1 without the labels it asks for"],
    );

    let image = json!({ "image": "localhost:1/nothing:1" });
    says(
        &place.refused(web(&image), &[]).await,
        "image.registry",
        &["localhost:1/nothing:1"],
    );
    let command = json!({ "entrypoint": ["/nowhere"] });
    let mut shop = place.shop(web(&command), &[]).await;
    let problem = place.problem(&mut shop).await;
    says(&problem, "spec.invalid", &["/nowhere"]);
    let events = place.runtime.events(shop.application, None).await;
    let events = events.expect("events");
    let of = |reason: &str| events.iter().find(|event| event.reason == reason);
    let placed = of("Scheduled").expect("it was placed");
    assert!(!placed.is_warning && placed.component.as_str() == "web");
    let failed = of("Failed").unwrap_or_else(|| panic!("{events:#?}"));
    assert!(
        failed.is_warning && failed.container.is_none(),
        "{events:#?}"
    );
    assert!(failed.message.contains("/nowhere"), "{events:#?}");
    let instance = failed.instance.clone();
    let own = place.runtime.events(shop.application, Some(&instance));
    assert!(own.await.expect("its own").len() >= 2);
    let gone = place.runtime.events(shop.application, Some("another"));
    assert!(gone.await.expect("of none").is_empty());
    shop.end(&place.runtime).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_without_a_class_are_told_and_can_be_corrected() {
    let mut place = Place::start().await;
    for kind in ["service", "stateful"] {
        let volume =
            json!({ "kind": kind, "volumes": { "/data": { "name": "data", "class": "fsat" } } });
        let mut shop = place.shop(web(&volume), &[]).await;
        // The scheduler is first to speak, of a volume that is not there.
        let problem = place.problem_that(&mut shop, |problem| problem.code != "cluster.no-room");
        let problem = problem.await;
        says(
            &problem,
            "spec.unknown-reference",
            &["no StorageClass fsat"],
        );
        // The default one.
        shop.components["web"]["volumes"]["/data"]["class"] = json!("local");
        shop.bring(&place.runtime).await;
        shop.end(&place.runtime).await;
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_somebody_else_is_refused_and_outlives_the_application() {
    let mut place = Place::start().await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "shop--web" },
        "spec": { "ports": [{ "port": 80 }] },
    });
    let ports = json!({ "ports": { "http": { "port": 8080 } } });
    let mut shop = place.shop(web(&ports), &[theirs]).await;
    let client = scene::client(&Steps::new()).await;
    let services = Api::<Service>::namespaced(client, &shop.namespace());
    let uid = async || {
        let there = services.get("shop--web").await;
        there.expect("it is left alone").metadata.uid
    };
    let before = uid().await;
    let problem = place
        .problem_that(&mut shop, |problem| problem.code == "name.taken")
        .await;
    says(
        &problem,
        "name.taken",
        &["Service shop--web", "is not this application's"],
    );
    // Under another name it runs, and what was noted of the old one is not taken for its own.
    let component = shop.components["web"].take();
    shop.components = json!({ "page": component });
    shop.bring(&place.runtime).await;
    assert_eq!(uid().await, before);
    // Nor at its end, when both names were noted.
    let component = shop.components["page"].take();
    shop.components = json!({ "web": component });
    place
        .problem_that(&mut shop, |problem| problem.code == "name.taken")
        .await;
    shop.end(&place.runtime).await;
    assert_eq!(uid().await, before);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_that_comes_later_is_not_told_of_as_missing() {
    let mut place = Place::start().await;
    let class = format!("late-{}", &uuid::Uuid::now_v7().to_string()[24..]);
    let volume = json!({ "volumes": { "/data": { "name": "data", "class": class } } });
    let mut shop = place.shop(web(&volume), &[]).await;
    let is_missing = |problem: &Problem| problem.code == "spec.unknown-reference";
    place.problem_that(&mut shop, is_missing).await;
    create(&json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": class },
        "provisioner": "pluvio.invalid/none",
    }));
    let begun = Instant::now();
    loop {
        let all = place.runtime.observe(Scope::Application(shop.application));
        let all = all.await.expect("it is seen");
        let problem = all.applications[&shop.application].problem.as_ref();
        if !problem.is_some_and(is_missing) {
            break;
        }
        assert!(begun.elapsed() < SOON, "{problem:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shop.end(&place.runtime).await;
    scene::kubectl(&["delete", "storageclass", &class]);
    place.end().await;
}
