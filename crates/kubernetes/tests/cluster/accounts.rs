//! Pluvio's own account on a cluster: made, made again, rotated; and what is left when Pluvio leaves.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Secret, ServiceAccount,
};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::discovery::{Discovery, verbs};
use kube::{Api, Client, Resource, ResourceExt};
use pluvio_kubernetes::account::{self, Account, Kept};
use pluvio_kubernetes::check::{check, check_at};
use pluvio_kubernetes::{Clusters, Config, Connection, Credential, KubernetesRuntime, remove};
use pluvio_model::cluster::{CheckName, CheckState};
use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::place::PlaceSettings;
use pluvio_model::stage::{Stage, Wish};
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::conformance::Example;
use pluvio_runtime::{Connector, Given, LeftVolume, Link, Runtime, Scope};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::scene::{self, Steps};

pub(crate) fn suffix() -> String {
    uuid::Uuid::now_v7().to_string()[24..].to_owned()
}

/// An administrator's kubeconfig, as a value to change.
fn given() -> Value {
    let read = Kubeconfig::from_yaml(&scene::given()).expect("a kubeconfig");
    serde_json::to_value(read).expect("a kubeconfig is a value")
}

/// An administrator's credential, and a namespace of its own for Pluvio.
pub(crate) struct Place {
    given: Credential,
    pub(crate) connection: Connection,
    /// The test's own.
    hands: Client,
    pub(crate) home: String,
}

impl Place {
    pub(crate) async fn new() -> Place {
        let given = Credential {
            kubeconfig: given().to_string(),
            context: None,
        };
        let connection = Connection::open(&given).await.expect("the cluster answers");
        let home = format!("pluvio-{}", suffix());
        Place {
            given,
            connection,
            hands: scene::client(&Steps::new()).await,
            home,
        }
    }

    pub(crate) fn client(&self) -> Client {
        self.hands.clone()
    }

    pub(crate) async fn account(&self) -> Kept {
        let kept = account::make(&self.connection, &self.given, &self.home).await;
        let kept = kept.expect("an account");
        let user = format!("system:serviceaccount:{}:pluvio", self.home);
        assert_eq!(kept.account, Account::Own { user });
        kept
    }

    async fn tokens(&self) -> usize {
        let secrets = Api::<Secret>::namespaced(self.client(), &self.home);
        let ours = ListParams::default().labels("pluvio.io/account-token");
        secrets.list(&ours).await.expect("a list").items.len()
    }
}

#[tokio::test]
async fn an_account_is_made_once_and_its_token_is_rotated() {
    let place = Place::new().await;
    let first = place.account().await;
    let again = place.account().await;
    assert_eq!(first.credential.kubeconfig, again.credential.kubeconfig);
    assert_eq!(place.tokens().await, 1);
    // Added by itself: nothing is made, nothing is lost.
    let own = Connection::open(&first.credential).await.expect("it works");
    let by_itself = account::make(&own, &first.credential, &place.home).await;
    let by_itself = by_itself.expect("it is what it is");
    assert!(matches!(by_itself.account, Account::Own { .. }));
    assert!(!first.credential.kubeconfig.contains("client-key-data"));

    let second = account::rotate(&own, &first.credential, &place.home).await;
    let second = second.expect("a new token");
    assert_ne!(first.credential.kubeconfig, second.kubeconfig);
    let new = Connection::open(&second).await.expect("the new one works");
    Connection::open(&first.credential)
        .await
        .expect("the old one works until it is retired");
    for _ in 0..2 {
        account::retire(&new, &second, &place.home)
            .await
            .expect("the old one is ended");
    }
    assert_eq!(place.tokens().await, 1);
    let refused = async || loop {
        match Connection::open(&first.credential).await {
            Err(problem) => return problem,
            Ok(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    let problem = tokio::time::timeout(Duration::from_secs(30), refused()).await;
    let problem = problem.expect("an ended token is refused");
    assert_eq!(problem.code, "refused", "{problem:?}");
    Connection::open(&second)
        .await
        .expect("the new one works on");
    // A person's credential is nothing that Pluvio could rotate.
    let given = account::rotate(&place.connection, &place.given, &place.home).await;
    assert_eq!(given.expect_err("it is not ours").code, "refused");

    let left = remove(&new, &place.home).await.expect("it leaves");
    assert_eq!(left, Vec::new());
    gone(&place).await;
}

/// Nothing of the account is left, also where it cannot look itself.
async fn gone(place: &Place) {
    let roles = Api::<ClusterRole>::all(place.client());
    let bindings = Api::<ClusterRoleBinding>::all(place.client());
    let namespaces = Api::<Namespace>::all(place.client());
    let none = async || {
        let role = roles.get_opt(&place.home).await.expect("an answer");
        let binding = bindings.get_opt(&place.home).await.expect("an answer");
        let namespace = namespaces.get_opt(&place.home).await.expect("an answer");
        role.is_none() && binding.is_none() && namespace.is_none()
    };
    for _ in 0..240 {
        if none().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("the account's roles stay");
}

#[tokio::test]
async fn what_was_made_for_a_cluster_that_is_not_kept_can_be_taken_back() {
    let place = Place::new().await;
    let asked = Given {
        kubeconfig: place.given.kubeconfig.clone(),
        context: None,
        settings: PlaceSettings {
            namespace: Some(place.home.clone()),
            ..PlaceSettings::default()
        },
        installation: "this one".to_owned(),
    };
    // Who it is is told before anything is made.
    let identity = Clusters.identify(&asked).await.expect("it is told");
    assert_eq!(identity, place.connection.identity);
    gone(&place).await;
    let first = Clusters.admit(&asked).await.expect("it is taken in");
    let again = Clusters.admit(&asked).await.expect("and once more");
    assert_eq!((first.is_new, again.is_new), (true, false));
    let link = Link {
        kubeconfig: first.kubeconfig,
        settings: asked.settings,
        pulls: None,
    };
    Clusters.leave(&link).await.expect("it is taken back");
    gone(&place).await;
}

#[tokio::test]
async fn a_credential_with_few_rights_is_told_what_it_lacks_and_kept() {
    let place = Place::new().await;
    let name = format!("limited-{}", suffix());
    let limited = limited(&place, &name).await;

    let report = check(&limited).await;
    let step = |name| report.step(name).expect("a step");
    let permissions = step(CheckName::Permissions);
    assert_eq!(permissions.state, CheckState::Failed, "{report:#?}");
    let lacks = |what: &str| permissions.details.iter().any(|one| one == what);
    assert!(lacks("create deployments.apps"), "{permissions:#?}");
    assert!(lacks("get pods/log") && lacks("update secrets in pluvio-system"));
    assert!(!lacks("get namespaces") && !lacks("list nodes"));
    assert!(
        permissions
            .details
            .iter()
            .any(|one| one.starts_with("create horizontalpodautoscalers.autoscaling (for "))
    );
    assert_eq!(step(CheckName::Account).state, CheckState::Warning);
    assert!(!report.findings.can_make_account);
    assert!(!report.is_usable());

    let connection = Connection::open(&limited).await.expect("it is known");
    let kept = account::make(&connection, &limited, &place.home).await;
    let kept = kept.expect("the given one is kept");
    assert!(
        matches!(&kept.account, Account::Given { why } if why.contains("namespace")),
        "{kept:?}"
    );
    Connection::open(&kept.credential).await.expect("it works");

    let (roles, bindings) = (
        Api::<ClusterRole>::all(place.client()),
        Api::<ClusterRoleBinding>::all(place.client()),
    );
    let now = DeleteParams::default();
    roles.delete(&name, &now).await.expect("it goes");
    bindings.delete(&name, &now).await.expect("it goes");
    let report = check(&limited).await;
    let identity = report.step(CheckName::Identity).expect("a step");
    assert_eq!(identity.state, CheckState::Failed);
    assert!(identity.found.contains("kube-system"), "{identity:?}");
    let accounts = Api::<ServiceAccount>::namespaced(place.client(), "default");
    accounts.delete(&name, &now).await.expect("it goes");
}

/// Somebody who may look at nodes and namespaces.
async fn limited(place: &Place, name: &str) -> Credential {
    let of = |kind: &str| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name } });
    let mut role = of("ClusterRole");
    role["rules"] = json!([{ "apiGroups": [""], "resources": ["namespaces", "nodes"], "verbs": ["get", "list"] }]);
    let mut binding = of("ClusterRoleBinding");
    binding["roleRef"] =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name });
    binding["subjects"] =
        json!([{ "kind": "ServiceAccount", "name": name, "namespace": "default" }]);
    let account = json!({ "metadata": { "name": name } });
    let secret = json!({
        "metadata": { "name": name, "annotations": { "kubernetes.io/service-account.name": name } },
        "type": "kubernetes.io/service-account-token",
    });
    make::<ServiceAccount>(Api::namespaced(place.client(), "default"), account).await;
    make::<ClusterRole>(Api::all(place.client()), role).await;
    make::<ClusterRoleBinding>(Api::all(place.client()), binding).await;
    let secrets = Api::<Secret>::namespaced(place.client(), "default");
    make::<Secret>(secrets.clone(), secret).await;
    let token = async {
        loop {
            let secret = secrets.get(name).await.expect("it is there");
            if let Some(token) = secret.data.as_ref().and_then(|data| data.get("token")) {
                return String::from_utf8(token.0.clone()).expect("a token");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let token = tokio::time::timeout(Duration::from_secs(20), token).await;
    let mut all = given();
    all["users"][0]["user"] = json!({ "token": token.expect("the token is written") });
    Credential {
        kubeconfig: all.to_string(),
        context: None,
    }
}

pub(crate) async fn make<K>(api: Api<K>, body: serde_json::Value)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    let object: K = serde_json::from_value(body).expect("an object");
    api.create(&PostParams::default(), &object)
        .await
        .expect("it is made");
}

/// The account installs what a gateway in the cluster needs, though it may not grant in general.
#[tokio::test]
async fn the_account_grants_the_gateways_rights_and_no_others() {
    let place = Place::new().await;
    let kept = place.account().await;
    let own = Connection::open(&kept.credential).await.expect("it works");
    // It finds itself well.
    let report = check_at(&kept.credential, &place.home).await;
    assert!(report.is_usable(), "{report:#?}");
    assert_eq!(report.findings.missing_permissions, [""; 0]);
    let step = report.step(CheckName::Account).expect("a step");
    assert!(step.found.contains("made for itself"), "{step:?}");
    let wide = format!("{}-gateway", place.home);
    let reads = json!(["get", "list", "watch"]);
    let rbac = "rbac.authorization.k8s.io/v1";
    let params = PatchParams::apply("pluvio").force();
    let labels = json!({ "app.kubernetes.io/managed-by": "pluvio" });
    let role = |name: &str, resources: serde_json::Value| {
        json!({
            "apiVersion": rbac, "kind": "ClusterRole", "metadata": { "name": name, "labels": labels },
            "rules": [{ "apiGroups": ["discovery.k8s.io"], "resources": resources, "verbs": reads }],
        })
    };
    let roles = Api::<ClusterRole>::all(own.client.clone());
    let apply = async |name: &str, body: serde_json::Value| {
        roles.patch(name, &params, &Patch::Apply(&body)).await
    };
    apply(&wide, role(&wide, json!(["endpointslices"])))
        .await
        .expect("the gateway's role is made");
    let more = apply(&wide, role(&wide, json!(["endpointslices", "others"]))).await;
    assert!(
        more.expect_err("it cannot grant what it has not")
            .to_string()
            .contains("grant")
    );
    let other = format!("other-{}", suffix());
    apply(&other, role(&other, json!(["endpointslices"])))
        .await
        .expect_err("it makes no other roles");
    apply(&place.home, role(&place.home, json!(["endpointslices"])))
        .await
        .expect_err("nor changes its own");
    let binding = json!({
        "apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": { "name": wide, "labels": labels },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": wide },
        "subjects": [{ "kind": "ServiceAccount", "name": "pluvio-gateway", "namespace": place.home }],
    });
    let bindings = Api::<ClusterRoleBinding>::all(own.client.clone());
    bindings
        .patch(&wide, &params, &Patch::Apply(&binding))
        .await
        .expect("the gateway's binding is made");
    let here = json!({ "name": "pluvio-gateway", "namespace": place.home, "labels": labels });
    let inner = json!({
        "apiVersion": rbac, "kind": "Role", "metadata": here,
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": reads }],
    });
    let inner_roles = Api::<Role>::namespaced(own.client.clone(), &place.home);
    inner_roles
        .patch("pluvio-gateway", &params, &Patch::Apply(&inner))
        .await
        .expect("the gateway's role at home is made");
    let inner = json!({
        "apiVersion": rbac, "kind": "RoleBinding", "metadata": here,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pluvio-gateway" },
        "subjects": [{ "kind": "ServiceAccount", "name": "pluvio-gateway", "namespace": place.home }],
    });
    let inner_bindings = Api::<RoleBinding>::namespaced(own.client.clone(), &place.home);
    inner_bindings
        .patch("pluvio-gateway", &params, &Patch::Apply(&inner))
        .await
        .expect("the gateway's binding at home is made");

    remove(&own, &place.home).await.expect("it leaves");
    gone(&place).await;
    let admin = Api::<ClusterRole>::all(place.client());
    assert!(admin.get_opt(&wide).await.expect("an answer").is_none());
    let admin = Api::<ClusterRoleBinding>::all(place.client());
    assert!(admin.get_opt(&wide).await.expect("an answer").is_none());
}

/// Runs an application in an environment of that name, and waits until it stands.
pub(crate) async fn run(place: &Place, runtime: &KubernetesRuntime, team: &str) -> ApplicationId {
    let image = (
        scene::image().await.to_owned(),
        "pluvio.invalid/busybox:1".to_owned(),
    );
    let mut example = Example::new(place.connection.identity, image);
    let application = example.application;
    let mut stage: Stage = example.stage();
    if let Wish::Run(wish) = &mut stage.wish {
        wish.release.team = team.parse().expect("a name");
    }
    runtime.apply(&stage).await.expect("the stage is taken");
    for _ in 0..240 {
        let scope = Scope::Application(application);
        let seen = runtime.observe(scope).await.expect("it can be looked at");
        if seen
            .applications
            .get(&application)
            .is_some_and(|one| one.settled)
        {
            return application;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("the application never stands");
}

/// Deletes an application, and waits until it is gone.
pub(crate) async fn end(place: &Place, runtime: &KubernetesRuntime, application: ApplicationId) {
    let stage = Stage {
        cluster: place.connection.identity,
        application,
        generation: Generation(1_000),
        wish: Wish::Gone,
    };
    runtime.apply(&stage).await.expect("the stage is taken");
    for _ in 0..240 {
        let scope = Scope::Application(application);
        let seen = runtime.observe(scope).await.expect("it can be looked at");
        let one = seen.applications.get(&application);
        if one.is_some_and(|one| one.settled && one.generation == stage.generation) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("the application never ends");
}

/// As the runtime makes it where images are pulled from Pluvio's registry.
fn pull_secret() -> Value {
    json!({ "metadata": { "name": "pluvio-images", "labels": { "app.kubernetes.io/managed-by": "pluvio" } } })
}

/// Every object of every kind that carries the label, as an administrator sees it.
async fn labelled(client: &Client, selector: &str) -> Vec<String> {
    let discovery = Discovery::new(client.clone()).run().await.expect("kinds");
    let mut all = Vec::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            let is_listed = capabilities.supports_operation(verbs::LIST);
            if !is_listed || resource.kind == "ComponentStatus" {
                continue;
            }
            let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
            let Ok(list) = api
                .list_metadata(&ListParams::default().labels(selector))
                .await
            else {
                continue;
            };
            let name = |one: &PartialObjectMeta<DynamicObject>| {
                let namespace = one.namespace().unwrap_or_default();
                format!("{} {namespace}/{}", resource.kind, one.name_any())
            };
            all.extend(list.items.iter().map(name));
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_leaves_data_and_what_is_not_ours() {
    let place = Place::new().await;
    let kept = place.account().await;
    let own = Connection::open(&kept.credential).await.expect("it works");
    let config = Config {
        namespace: place.home.clone(),
        ..Config::default()
    };
    let (with_data, without) = (format!("data{}", suffix()), format!("bare{}", suffix()));
    let shared = format!("shared{}", suffix());
    let runtime = Arc::new(
        KubernetesRuntime::start(own.clone(), config)
            .await
            .expect("it starts"),
    );
    let mut ids = Vec::new();
    for team in [&with_data, &without, &shared] {
        ids.push(run(&place, &runtime, team).await);
    }
    let space = |team: &str| format!("{team}--production");
    // One environment has no application any more, and nothing to pull images with.
    let ended = format!("ended{}", suffix());
    let id = run(&place, &runtime, &ended).await;
    let secrets = |team: &str| Api::<Secret>::namespaced(place.client(), &space(team));
    make(secrets(&ended), pull_secret()).await;
    end(&place, &runtime, id).await;
    let pull = secrets(&ended).get_opt("pluvio-images").await;
    assert!(pull.expect("an answer").is_none());
    ids.push(id);
    let runtime = Arc::into_inner(runtime).expect("nobody else holds it");
    runtime.stop().await;
    for team in [&with_data, &without, &ended] {
        make(secrets(team), pull_secret()).await;
    }
    // One environment has no data any more, another has something of somebody else's.
    let claims =
        |team: &str| Api::<PersistentVolumeClaim>::namespaced(place.client(), &space(team));
    for team in [&without, &shared, &ended] {
        let all = ListParams::default();
        for claim in claims(team).list(&all).await.expect("a list").items {
            let name = claim.name_any();
            claims(team)
                .delete(&name, &DeleteParams::default())
                .await
                .expect("it goes");
        }
    }
    let foreign = Api::<ConfigMap>::namespaced(place.client(), &space(&shared));
    make(foreign.clone(), json!({ "metadata": { "name": "mine" } })).await;

    let list = ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let selector = format!("{} in ({})", key::APPLICATION, list.join(","));
    let before = labelled(&place.client(), &selector).await;
    assert!(before.len() > 12, "{before:#?}");
    // Killed in the middle, again and again.
    for patience in [30, 100, 300, 1000, 3000] {
        let leaving = remove(&own, &place.home);
        let _ = tokio::time::timeout(Duration::from_millis(patience), leaving).await;
    }
    // Whoever was killed at the very end has no account to ask again with: an administrator has.
    let left = match remove(&own, &place.home).await {
        Ok(left) => left,
        Err(problem) => panic!("{problem:?}"),
    };
    let claim = claims(&with_data);
    let claim = claim.list(&ListParams::default()).await.expect("a list");
    let claim = claim.items.first().expect("the data is there");
    let expected = LeftVolume {
        namespace: space(&with_data),
        name: claim.name_any(),
        size: "10Gi".to_owned(),
    };
    assert_eq!(left, std::slice::from_ref(&expected));
    let after = labelled(&place.client(), &selector).await;
    let namespaces = [space(&with_data), space(&shared)];
    for object in &after {
        let is_namespace = namespaces
            .iter()
            .any(|name| *object == format!("Namespace /{name}"));
        let is_data = object.starts_with("PersistentVolumeClaim ");
        assert!(is_namespace || is_data, "{after:#?}");
    }
    assert!(foreign.get_opt("mine").await.expect("an answer").is_some());
    let spaces = Api::<Namespace>::all(place.client());
    for team in [&without, &ended] {
        let bare = spaces.get_opt(&space(team)).await.expect("an answer");
        assert!(bare.is_none(), "{bare:?}");
    }
    let pull = secrets(&with_data).get_opt("pluvio-images").await;
    assert!(pull.expect("an answer").is_none());
    gone(&place).await;
    // Asked once more, by somebody who still may.
    let again = remove(&place.connection, &place.home).await;
    assert_eq!(again.expect("nothing is left to do"), [expected]);
    for name in namespaces {
        let _ = spaces.delete(&name, &DeleteParams::default()).await;
    }
}
