//! What a scenario is given: a new database, a store on it, an engine, and short ways to ask for things.

use std::path::Path;

use pluvio_model::facts::RuntimeKind;
use pluvio_model::id::{ApplicationId, TeamId};
use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, OperationKind, Outcome};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::route::{Route, RouteId};
use pluvio_model::spec::AppSpec;
use pluvio_store::*;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) store: Store,
    pub(crate) cluster: Cluster,
    /// Where the seal key is, and SQLite's file.
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn on_sqlite() -> World {
        let folder = tempfile::tempdir().unwrap();
        let url = Store::sqlite_url(&folder.path().join("it's 100% a file?.db"));
        World::open(url, folder).await
    }

    pub(crate) async fn on_postgres(url: String) -> World {
        World::open(url, tempfile::tempdir().unwrap()).await
    }

    async fn open(url: String, folder: tempfile::TempDir) -> World {
        let store = Store::open(&url, seal(folder.path())).await.unwrap();
        let cluster = store
            .bind_cluster(&name("local"), RuntimeKind::Memory, "engine-1", "memory")
            .await
            .unwrap();
        World {
            url,
            store,
            cluster,
            folder,
        }
    }

    /// A store as another control process would have it: other connections to the same database.
    pub(crate) async fn another_process(&self) -> Store {
        Store::open(&self.url, seal(self.folder.path()))
            .await
            .unwrap()
    }

    /// What only somebody with access to the database itself can do.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<String> {
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        let rows = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let first = |row: &sqlx::any::AnyRow| {
            row.try_get::<String, _>(0)
                .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))
                .unwrap_or_default()
        };
        rows.iter().map(first).collect()
    }

    pub(crate) async fn number(&self, select: &str) -> u64 {
        self.sql(select).await[0].parse().unwrap()
    }

    pub(crate) async fn scope(&self) -> Scope {
        self.store.scope("main", "production").await.unwrap()
    }

    pub(crate) async fn application(&self, name_: &str) -> Application {
        let new = NewApplication {
            scope: self.scope().await,
            name: name(name_),
            display_name: None,
        };
        self.store.create_application(new, "tester").await.unwrap()
    }

    pub(crate) fn ask(&self, application: ApplicationId, kind: OperationKind) -> Ask {
        Ask {
            application: Whose::Existing(application),
            cluster: self.cluster.id,
            kind,
            actor: "tester".to_owned(),
            title: format!("{kind:?} it"),
            steps: Vec::new(),
            idempotency: None,
            if_revision: None,
            objection: None,
            secrets: Vec::new(),
            settings: Vec::new(),
            volumes: Vec::new(),
        }
    }

    /// Asks for a deploy that has to be built.
    pub(crate) async fn ask_build(&self, application: ApplicationId, spec: &AppSpec) -> Asked {
        let ask = self.ask(application, OperationKind::Deploy);
        let asked = self
            .store
            .ask_deploy(ask, spec, Origin::Deploy, Then::Job(build_job()))
            .await;
        asked.unwrap()
    }

    /// Deploys what needs no build.
    pub(crate) async fn deploy(&self, application: ApplicationId, spec: &AppSpec) -> Asked {
        let ask = self.ask(application, OperationKind::Deploy);
        let then = Then::Decide(&mut decide);
        self.store
            .ask_deploy(ask, spec, Origin::Deploy, then)
            .await
            .unwrap()
    }

    /// Deploys, and has the reconciler find that it runs.
    pub(crate) async fn deploy_live(&self, application: ApplicationId, spec: &AppSpec) -> Target {
        let asked = self.deploy(application, spec).await;
        self.live(&asked.target.unwrap()).await
    }

    pub(crate) async fn live(&self, target: &Target) -> Target {
        let marked = self
            .store
            .mark_live(
                target.application,
                target.cluster,
                target.generation,
                |_| {},
            )
            .await;
        marked.unwrap()
    }

    pub(crate) async fn fail(&self, target: &Target) -> Reverted {
        let (application, cluster) = (target.application, target.cluster);
        let reverted = self
            .store
            .mark_failed_and_revert(
                application,
                cluster,
                target.generation,
                &not_ready(),
                |_| {},
            )
            .await;
        reverted.unwrap()
    }

    pub(crate) async fn scale(&self, application: ApplicationId, instances: u32) -> Asked {
        scale(
            &self.store,
            self.ask(application, OperationKind::Scale),
            instances,
        )
        .await
    }

    pub(crate) async fn target(&self, application: ApplicationId) -> Target {
        let target = self.store.target(application, self.cluster.id).await;
        target.unwrap().expect("something was decided")
    }

    pub(crate) async fn state(&self, application: ApplicationId) -> ApplicationState {
        self.store.application(application).await.unwrap().state
    }

    pub(crate) async fn operation(&self, of: &Asked) -> Operation {
        self.store.operation(of.operation.id).await.unwrap().0
    }

    /// Another team with an environment, as a later verb will make it.
    pub(crate) async fn stranger(&self) -> Scope {
        let organization = self.store.home().organization;
        let (team, environment) = (
            "019a0000-0000-7000-8000-000000000001",
            "019a0000-0000-7000-8000-000000000002",
        );
        self.sql(&format!(
            "INSERT INTO teams (id, organization, name, created_at) VALUES ('{team}', '{organization}', 'other', 0); \
             INSERT INTO environments (id, team, name, created_at) VALUES ('{environment}', '{team}', 'production', 0)"
        ))
        .await;
        self.store.scope("other", "production").await.unwrap()
    }

    pub(crate) fn team(&self) -> TeamId {
        self.store.home().team
    }
}

pub(crate) async fn scale(store: &Store, ask: Ask, instances: u32) -> Asked {
    let what = "scale".to_owned();
    let change = |spec: &AppSpec| {
        let mut spec = spec.clone();
        for component in spec.components.values_mut() {
            component.instances = Some(instances);
        }
        Ok(spec)
    };
    store
        .patch(ask, Origin::Patch { what }, change, decide)
        .await
        .unwrap()
}

pub(crate) fn seal(folder: &Path) -> Seal {
    Seal::open_or_create(&folder.join("seal.key")).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn build_job() -> NewJob {
    NewJob {
        kind: "build".to_owned(),
        payload: serde_json::json!({}),
        run_after: None,
    }
}

pub(crate) fn spec(application: &str, image: &str) -> AppSpec {
    let spec =
        serde_json::json!({ "name": application, "components": { "web": { "image": image } } });
    serde_json::from_value(spec).unwrap()
}

pub(crate) fn not_ready() -> Problem {
    problem::RELEASE_NOT_READY.problem("GET /healthz answered 500.", "Look at the log.")
}

pub(crate) fn failed(operation: &Operation) -> bool {
    matches!(operation.outcome, Some(Outcome::Failed { .. }))
}

/// A small decision: one component with its image, the default host, its secrets, a volume where the component mounts one.
pub(crate) fn decide(deciding: &Deciding) -> Decision {
    let application = &deciding.application;
    let spec = &deciding.revision.spec;
    let component = spec.components.values().next().expect("a component");
    let image = component.image.as_ref().expect("an image").to_string();
    if image.contains("refused") {
        return Err(problem::IMAGE_NOT_FOUND.problem("There is no such image.", "Check its name."));
    }
    let short = format!("{}.localhost", application.name);
    let host = match deciding.hosts_of_others.contains(&short) {
        true => format!("{}--production--main.localhost", application.name),
        false => short,
    };
    // A test says which host it wants by a label.
    let host = component.labels.get("host").cloned().unwrap_or(host);
    let secrets: serde_json::Map<_, _> = deciding
        .secrets
        .iter()
        .map(|(name, version)| {
            (
                name.to_string(),
                serde_json::json!([{ "secret": { "name": name, "version": version } }]),
            )
        })
        .collect();
    let web = serde_json::json!({
        "name": "web", "kind": "service", "hash": "0".repeat(64), "instances": component.instances.unwrap_or(1),
        "rollout": { "strategy": "stop-then-start", "drain": "1s", "grace": "1s", "deadline": "1s" },
        "content": {
            "ports": {}, "restart": "always",
            "main": {
                "image": image, "image_id": "sha256:1", "env": secrets, "files": {}, "mounts": {},
                "pids_limit": 100, "probes": {},
            },
        },
    });
    let volumes = component.labels.get("volume").map(|id| {
        (
            name("data"),
            serde_json::from_value(serde_json::json!({ "id": id, "access": "exclusive" })).unwrap(),
        )
    });
    Ok(Release {
        application: application.id,
        application_name: application.name.clone(),
        team: application.team_name.clone(),
        environment: application.environment_name.clone(),
        number: deciding.revision.number,
        parent: deciding.parent.as_ref().map(|parent| parent.number),
        components: [(name("web"), serde_json::from_value(web).unwrap())]
            .into_iter()
            .collect(),
        externals: Default::default(),
        volumes: volumes.into_iter().collect(),
        networks: Default::default(),
        routes: vec![Route {
            id: "web".parse::<RouteId>().unwrap(),
            hosts: vec![host.parse().unwrap()],
            matches: Vec::new(),
            backends: Vec::new(),
            limits: Default::default(),
            disabled: false,
        }],
        urls: vec![format!("http://{host}:8080")],
        objects: Vec::new(),
    })
}
