//! An API server whose answers are lost, that refuses, and that is away: each by itself, where it would do harm. That the whole suite
//! passes with faults at random is another run, of `scripts/test "kubernetes faults"`.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use pluvio_kubernetes::account;
use pluvio_kubernetes::{Config, Connection, Credential, KubernetesRuntime};
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::{Runtime, RuntimeError, Scope};
use pluvio_tests::faults::{Fault, Faults};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::own::until;
use crate::scene::{self, Steps};
use crate::shop::Shop;

/// More often than a request is sent again by itself: whoever wrote is told that it failed.
const FOR_LONG: u32 = 7;

struct Place {
    faults: Faults,
    /// The test's own hands, which reach past the faults.
    client: Client,
    runtime: KubernetesRuntime,
    home: String,
    spaces: Vec<String>,
}

impl Place {
    async fn start() -> Place {
        scene::image().await;
        let faults = Faults::before(&scene::kubeconfig(), 1, 0);
        let connection = connection(&faults).await;
        let home = format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]);
        let config = Config {
            namespace: home.clone(),
            ..Config::default()
        };
        let runtime = KubernetesRuntime::start(connection, config).await;
        Place {
            faults,
            client: scene::client(&Steps::new()).await,
            runtime: runtime.expect("the runtime starts"),
            spaces: vec![home.clone()],
            home,
        }
    }

    async fn shop(&mut self, components: Value) -> Shop {
        let connection = connection(&self.faults).await;
        let shop = Shop::new(connection.identity, components);
        self.spaces.push(shop.namespace());
        shop
    }

    async fn names<K>(&self, shop: &Shop) -> Vec<String>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let ours =
            ListParams::default().labels(&format!("{}={}", key::APPLICATION, shop.application));
        let all = Api::<K>::all(self.client.clone()).list(&ours).await;
        all.expect("a list")
            .items
            .iter()
            .map(ResourceExt::name_any)
            .collect()
    }

    /// All that was made of an application.
    async fn objects(&self, shop: &Shop) -> Vec<String> {
        let mut all = self.names::<Deployment>(shop).await;
        all.extend(self.names::<Service>(shop).await);
        all.extend(self.names::<Secret>(shop).await);
        all.extend(self.names::<ConfigMap>(shop).await);
        all
    }

    fn deployments(&self, shop: &Shop) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &shop.namespace())
    }

    /// What an environment variable of the component is now.
    async fn greeting(&self, shop: &Shop) -> Option<String> {
        let web = self
            .deployments(shop)
            .get_opt("shop--web")
            .await
            .expect("an answer")?;
        let pod = web.spec?.template.spec?;
        let env = pod.containers.first()?.env.clone()?;
        env.into_iter().find(|one| one.name == "GREETING")?.value
    }

    async fn end(self) {
        self.runtime.stop().await;
        let words = ["delete", "namespace", "--ignore-not-found", "--wait=false"];
        let all = words
            .into_iter()
            .chain(self.spaces.iter().map(String::as_str));
        scene::kubectl(&all.collect::<Vec<_>>());
    }
}

async fn connection(faults: &Faults) -> Connection {
    let client = scene::client_of(&faults.kubeconfig(), &Steps::new()).await;
    Connection::over(client).await.expect("the cluster answers")
}

fn component(greeting: &str) -> Value {
    json!({
        "image": scene::IMAGE,
        "env": { "GREETING": greeting },
        "ports": { "http": { "port": 8080 } },
        "probes": { "ready": { "command": ["true"] } },
        "rollout": { "grace": "1s", "drain": "1s" },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_noted_is_noted_before_anything_is_made_and_at_the_end() {
    let mut place = Place::start().await;
    let mut shop = place.shop(json!({ "web": component("one") })).await;
    place
        .faults
        .arrange("PUT", "/secrets/stage-", Fault::Failed, FOR_LONG);
    let stage = shop.stage();
    place.runtime.apply(&stage).await.expect("it is taken");
    loop {
        let made = place.objects(&shop).await;
        if place.faults.arranged_left() == 0 {
            break;
        }
        assert!(made.is_empty(), "made and noted nowhere: {made:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shop.settled(&place.runtime).await;
    // That nothing is left is the last that is noted.
    place
        .faults
        .arrange("PUT", "/secrets/stage-", Fault::Failed, FOR_LONG + 5);
    let stage = shop.gone();
    // The first of them meets the handing over.
    while let Err(error) = place.runtime.apply(&stage).await {
        assert!(matches!(error, RuntimeError::Unreachable(_)), "{error:?}");
    }
    shop.settled(&place.runtime).await;
    assert_eq!(place.faults.arranged_left(), 0);
    assert!(place.objects(&shop).await.is_empty());
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_whose_answer_was_lost_is_taken_up_when_it_is_offered_again() {
    let mut place = Place::start().await;
    let mut shop = place.shop(json!({ "web": component("one") })).await;
    shop.bring(&place.runtime).await;
    shop.components["web"]["env"]["GREETING"] = json!("two");
    let stage = shop.stage();
    place
        .faults
        .arrange("PUT", "/secrets/stage-", Fault::ResetAfter, 5);
    let lost = place.runtime.apply(&stage).await;
    assert!(
        matches!(lost, Err(RuntimeError::Unreachable(_))),
        "{lost:?}"
    );
    assert_eq!(place.faults.arranged_left(), 0);
    place.runtime.apply(&stage).await.expect("it is taken");
    shop.settled(&place.runtime).await;
    assert_eq!(place.greeting(&shop).await.as_deref(), Some("two"));
    shop.end(&place.runtime).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_make_nothing_twice_and_lose_nothing() {
    let mut place = Place::start().await;
    let both = json!({ "web": component("one"), "api": component("one") });
    let mut shop = place.shop(both).await;
    let lose = |count| {
        place.faults.forget();
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            place.faults.arrange(method, "/", Fault::ResetAfter, count);
        }
    };
    lose(3);
    shop.bring(&place.runtime).await;
    let mut made = place.names::<Deployment>(&shop).await;
    made.sort();
    assert_eq!(made, ["shop--api", "shop--web"]);
    // A component goes, the other one changes.
    lose(3);
    shop.components = json!({ "web": component("two") });
    shop.bring(&place.runtime).await;
    assert_eq!(place.greeting(&shop).await.as_deref(), Some("two"));
    let gone = async || place.names::<Deployment>(&shop).await == ["shop--web"];
    until("what is not wanted any more goes", 30, gone).await;
    lose(3);
    shop.end(&place.runtime).await;
    assert!(place.objects(&shop).await.is_empty());

    // Nor are there two accounts, or two tokens.
    let given = Credential {
        kubeconfig: place.faults.kubeconfig(),
        context: None,
    };
    lose(3);
    let kept = account::make(&connection(&place.faults).await, &given, &place.home).await;
    kept.expect("an account");
    let tokens = Api::<Secret>::namespaced(place.client.clone(), &place.home);
    let tokens = tokens
        .list(&ListParams::default().labels("pluvio.io/account-token"))
        .await;
    assert_eq!(tokens.expect("a list").items.len(), 1);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_for_patience_gets_it_and_nobody_else_waits() {
    let mut place = Place::start().await;
    let mut slow = place.shop(json!({ "web": component("one") })).await;
    let mut other = place.shop(json!({ "web": component("one") })).await;
    let part = format!("/namespaces/{}/deployments/", slow.namespace());
    place.faults.arrange("PATCH", &part, Fault::TooMany, 6);
    let begun = Instant::now();
    let stage = slow.stage();
    place.runtime.apply(&stage).await.expect("it is taken");
    other.bring(&place.runtime).await;
    let elapsed = begun.elapsed();
    // It is asked for a second each time.
    let asked = 6 - place.faults.arranged_left();
    assert!(
        u64::from(asked) <= elapsed.as_secs() + 1,
        "{asked} in {elapsed:?}"
    );
    assert!(
        asked < 6 || elapsed > Duration::from_secs(5),
        "the other one waited: {elapsed:?}"
    );
    slow.settled(&place.runtime).await;
    assert_eq!(place.faults.arranged_left(), 0);
    slow.end(&place.runtime).await;
    other.end(&place.runtime).await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_cannot_go_on_list_anew_and_outlast_a_server_that_is_away() {
    let mut place = Place::start().await;
    let mut shop = place.shop(json!({ "web": component("one") })).await;
    shop.bring(&place.runtime).await;
    let heals = async |what: &str| {
        for _ in 0..300 {
            let web = place.deployments(&shop).get_opt("shop--web").await;
            if web
                .expect("an answer")
                .is_some_and(|web| web.metadata.deletion_timestamp.is_none())
            {
                return shop.settled(&place.runtime).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen = place
            .runtime
            .observe(Scope::Application(shop.application))
            .await;
        panic!("{what} did not come to be: {seen:#?}");
    };
    let delete = async || {
        let deleted = place
            .deployments(&shop)
            .delete("shop--web", &DeleteParams::default())
            .await;
        deleted.expect("it is deleted");
    };
    // Every watch ends, and none may begin where it ended, however often it asks.
    place
        .faults
        .arrange("GET", "watch=true", Fault::Gone, 100_000);
    place.faults.refuse();
    place.faults.mend();
    tokio::time::sleep(Duration::from_secs(2)).await;
    delete().await;
    heals("what was deleted behind refused watches is made again").await;
    place.faults.forget();
    shop.settled(&place.runtime).await;

    // Away for a while, refusing, then silent. What happened meanwhile is seen once it is back.
    for (number, away) in [Faults::refuse, Faults::hang].into_iter().enumerate() {
        away(&place.faults);
        delete().await;
        tokio::time::sleep(Duration::from_secs(12)).await;
        assert!(
            place
                .deployments(&shop)
                .get_opt("shop--web")
                .await
                .expect("an answer")
                .is_none()
        );
        // What is shown is what was seen last.
        let seen = place.runtime.observe(Scope::All).await.expect("it is told");
        assert!(seen.applications.contains_key(&shop.application));
        place.faults.mend();
        heals(&format!(
            "what was deleted while the server was away ({number}) is made again"
        ))
        .await;
    }
    shop.end(&place.runtime).await;
    place.end().await;
}
