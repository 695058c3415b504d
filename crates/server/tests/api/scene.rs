//! What a scenario is given: a server with an application that is deployed, users of every kind, and short ways to ask.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use pluvio_build::{BuildLimits, BuildSettings, Builder};
use pluvio_control::Control;
use pluvio_model::facts::{DecideFacts, ImageAtHand, ImageFacts};
use pluvio_model::id::ApplicationId;
use pluvio_model::observed::{
    InstanceState, ObservedApplication, ObservedComponent, ObservedInstance, RolloutStep,
};
use pluvio_model::operation::{Operation, OperationKind};
use pluvio_model::permission::Role;
use pluvio_model::revision::Origin;
use pluvio_model::stage::SecretValue;
use pluvio_runtime::Runtime;
use pluvio_server::{Config, Listeners};
use pluvio_store::*;
use serde_json::Value;
use tower::ServiceExt;

use crate::node::{Node, listen_as_engine};

/// What the secret KEY of the application holds. It must never come out again.
pub(crate) const SECRET: &str = "correct-horse-battery-staple";
const SPEC: &str = "apiVersion: pluvio/v1
name: shop
image: localhost/shop:1
ports: { http: { port: 8080, protocol: http } }
env: { LOG: info, KEY: '${secrets.KEY}' }
secrets: { KEY: {} }
";

pub(crate) struct Scene {
    pub(crate) control: Control,
    pub(crate) store: Store,
    pub(crate) node: Node,
    pub(crate) router: Router,
    pub(crate) shop: ApplicationId,
    pub(crate) operation: Operation,
    /// Bearer tokens.
    pub(crate) owner: String,
    pub(crate) reader: String,
    pub(crate) stranger: String,
    folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The problem's code, which is checked to be one.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        for part in ["title", "cause", "remedy"] {
            assert!(
                problem[part].as_str().is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let node = Node::default();
        node.listen(&pluvio_node::socket_in(data));
        let engine = data.join("engine.sock");
        listen_as_engine(&engine);
        let engine = pluvio_engine::Engine::connect(&engine).await.unwrap();
        let settings = BuildSettings {
            owner: "test".to_owned(),
            work: data.join("work"),
            registry: None,
            limits: BuildLimits::of_machine(1 << 30),
        };
        let seal = Seal::open_or_create(&data.join("seal.key")).unwrap();
        let store = Store::open(&Store::sqlite_url(&data.join("pluvio.db")), seal)
            .await
            .unwrap();
        let config = pluvio_control::Config {
            data: data.to_owned(),
            domain: "localhost".to_owned(),
            gateway_port: 8080,
            builds: 1,
            warm_bases: false,
            volume_grace: Duration::from_secs(3600),
            owner: "test".to_owned(),
        };
        let client = pluvio_node::Client::new(pluvio_node::socket_in(data));
        let blobs = Blobs::open(&data.join("blobs")).await.unwrap();
        let control = Control::new(
            config,
            store.clone(),
            blobs,
            client,
            Builder::new(engine, settings),
        );
        let images = pluvio_registry::Settings {
            quota: None,
            grace: Duration::from_secs(3600),
            keep_tags: None,
        };
        let registry =
            pluvio_registry::Registry::new(store.clone(), control.blobs().clone(), images);
        control.serve_images(registry, "http://127.0.0.1:5000");
        control.start(None);
        while control.bound_cluster().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let config = Config {
            public_url: "http://localhost:7080".to_owned(),
            gateway: "http://*.localhost:8080".to_owned(),
            upload_limit: 1 << 20,
            fetch_private: false,
        };
        let router = pluvio_server::router(control.clone(), config);
        let team = store.home().team;
        let member = |name: &'static str, memberships: Vec<(_, Role)>| {
            let store = store.clone();
            async move {
                let name = name.parse().unwrap();
                let user = store
                    .create_user(&name, None, &memberships, "test")
                    .await
                    .unwrap();
                token(&store, user.id, Role::Owner).await.1
            }
        };
        let operation = deploy(&store, &control, "shop").await;
        let scene = Scene {
            owner: token(&store, store.home().owner, Role::Owner).await.1,
            reader: member("rita", vec![(team, Role::Reader)]).await,
            stranger: member("sam", Vec::new()).await,
            shop: operation.application,
            operation,
            control,
            store,
            node,
            router,
            folder,
        };
        scene.observe(scene.shop);
        scene
    }

    /// The application runs, with one instance.
    pub(crate) fn observe(&self, application: ApplicationId) {
        let hash = pluvio_model::image::ContentHash::of(&"content");
        let instance = ObservedInstance {
            name: "shop--web--1".to_owned(),
            ordinal: None,
            hash: hash.clone(),
            release: 1,
            state: InstanceState::Ready,
            address: None,
            started_at: None,
            ready_at: None,
            restarts: 0,
            last_exit: None,
            probe: None,
            in_flight: 0,
            sidecars: Vec::new(),
        };
        let component = ObservedComponent {
            wanted: hash,
            wanted_instances: 1,
            since: jiff::Timestamp::UNIX_EPOCH,
            instances: vec![instance],
            settled: true,
            step: RolloutStep::Done,
            scaling: None,
        };
        let mut seen = ObservedApplication::default();
        seen.components.insert("web".parse().unwrap(), component);
        let mut observed = self.node.observed.lock().unwrap();
        observed.applications.insert(application, seen);
    }

    pub(crate) fn request(
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost:7080");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        }
        .unwrap()
    }

    /// Sends it. Of an answer that does not end, what comes at once.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (head, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        while let Ok(Some(Ok(frame))) =
            tokio::time::timeout(Duration::from_millis(300), body.frame()).await
        {
            bytes.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default());
        }
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes).unwrap(),
        }
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Answer {
        self.send(Scene::request(method, path, token, body)).await
    }

    /// As the owner, below the environment.
    pub(crate) async fn own(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.ask(method, &format!("{HOME}{path}"), &self.owner, body)
            .await
    }

    /// Listens for real; the address.
    pub(crate) async fn listen(&self) -> std::net::SocketAddr {
        let any = "127.0.0.1:0".parse().unwrap();
        let socket = self.folder.path().join("control.sock");
        let listeners = Listeners::bind(any, &socket, any).await.unwrap();
        let address = listeners.public.local_addr().unwrap();
        let operations = pluvio_server::operations_router(self.control.clone());
        let stop = tokio_util::sync::CancellationToken::new();
        tokio::spawn(pluvio_server::serve(
            listeners,
            self.router.clone(),
            operations,
            stop,
        ));
        address
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("control.sock")
    }
}

pub(crate) const HOME: &str = "/api/v1/teams/main/environments/production";

pub(crate) async fn token(
    store: &Store,
    user: pluvio_model::id::UserId,
    role: Role,
) -> (Token, String) {
    let new = NewToken {
        name: "test".to_owned(),
        user,
        role,
        expires_at: None,
    };
    store.create_token(new, "test").await.unwrap()
}

/// Deploys an application whose image is at hand.
pub(crate) async fn deploy(store: &Store, control: &Control, name: &str) -> Operation {
    deploy_text(
        store,
        control,
        name,
        &SPEC.replace("name: shop", &format!("name: {name}")),
    )
    .await
}

/// Deploys a specification whose images are all the one that is at hand.
pub(crate) async fn deploy_text(
    store: &Store,
    control: &Control,
    name: &str,
    text: &str,
) -> Operation {
    let scope = store.scope("main", "production").await.unwrap();
    deploy_in(store, control, scope, name, text).await
}

/// The same in an environment, which may be on another cluster.
pub(crate) async fn deploy_in(
    store: &Store,
    control: &Control,
    scope: Scope,
    name: &str,
    text: &str,
) -> Operation {
    let spec = pluvio_formats::app::read(text, "app.yaml").unwrap().spec;
    let names: Vec<_> = spec.components.keys().cloned().collect();
    let engine = control.bound_cluster().unwrap().id;
    let cluster = scope.cluster.unwrap_or(engine);
    let facts = control.node().facts().await.unwrap();
    let image = ImageAtHand {
        reference: "localhost/shop:1".parse().unwrap(),
        facts: ImageFacts {
            id: format!("sha256:{}", "a".repeat(64)),
            ..ImageFacts::default()
        },
        built: None,
    };
    let ask = Ask {
        application: Whose::New(NewApplication {
            scope,
            name: name.parse().unwrap(),
            display_name: None,
        }),
        cluster,
        kind: OperationKind::Deploy,
        actor: "owner".to_owned(),
        title: format!("Deploy {name}"),
        steps: Vec::new(),
        idempotency: None,
        if_revision: None,
        objection: None,
        secrets: vec![("KEY".parse().unwrap(), SecretValue(SECRET.to_owned()))],
        settings: Vec::new(),
        volumes: Vec::new(),
    };
    let mut decide = |seen: &Deciding| {
        let facts = DecideFacts {
            application: seen.application.id,
            team: seen.application.team_name.clone(),
            environment: seen.application.environment_name.clone(),
            runtime: facts.clone(),
            images: names
                .iter()
                .map(|name| (name.clone(), image.clone()))
                .collect(),
            other_images: Default::default(),
            inherited: Default::default(),
            kept_volumes: Default::default(),
            secrets: seen.secrets.clone(),
            settings: seen.settings.clone(),
            domain: "localhost".to_owned(),
            gateway_port: 8080,
            short_host_taken: false,
        };
        pluvio_plan::decide(&seen.revision, None, &facts, &mut std::iter::empty())
            .map_err(|mut problems| problems.remove(0))
    };
    store
        .ask_deploy(ask, &spec, Origin::Deploy, Then::Decide(&mut decide))
        .await
        .unwrap()
        .operation
}

/// Everything that is logged from now on, in this process.
pub(crate) fn logged() -> Arc<Mutex<Vec<u8>>> {
    static LOG: std::sync::OnceLock<Arc<Mutex<Vec<u8>>>> = std::sync::OnceLock::new();
    #[derive(Clone)]
    struct To(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for To {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let made = LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let to = To(log.clone());
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || to.clone())
            .init();
        log
    });
    made.clone()
}
