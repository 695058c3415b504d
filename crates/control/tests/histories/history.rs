//! One history: applications, what is asked of them, what goes wrong meanwhile, and what must hold all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use pluvio_control::{Asker, Control, DeployAsk, PatchAsk};
use pluvio_model::id::{ApplicationId, OperationId};
use pluvio_model::operation::OperationKind;
use pluvio_model::problem::Problem;
use pluvio_model::revision::{Origin, SourceRecord};
use pluvio_model::spec::EnvValue;
use pluvio_model::stage::{Power, SecretValue};
use pluvio_plan::patch::Patch;
use pluvio_store::{Application, Asked, Idempotency};

use crate::chance::Chance;
use crate::engine::Faults;
use crate::wishes::Shape;
use crate::world::{World, cut};

pub(crate) struct App {
    pub(crate) name: String,
    shape: Shape,
    /// Every one of this name there was.
    pub(crate) ids: Vec<ApplicationId>,
}

/// What was found to be wrong.
pub(crate) type Wrong = String;

pub(crate) struct History<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) chance: Chance,
    pub(crate) seed: u64,
    pub(crate) apps: Vec<App>,
    /// Everything that was done, answered and came of it.
    pub(crate) trace: Vec<String>,
    /// What is asked and what breaks: follows from the seed alone.
    pub(crate) plan: Vec<String>,
    /// The newest generation seen of each.
    pub(crate) generations: BTreeMap<ApplicationId, u64>,
    asked: u64,
}

/// Something that a person asks for.
#[derive(Debug, Clone)]
enum Wish {
    Deploy(Box<DeployAsk>),
    Patch(OperationKind, Patch),
    Power(Power),
    Rollback(Option<u64>),
    Cancel,
    Delete,
    Secret(String),
}

impl Wish {
    fn name(&self) -> String {
        match self {
            Wish::Deploy(ask) => format!("{:?}", ask.origin).to_lowercase(),
            Wish::Patch(_, patch) => format!("{patch:?}").chars().take(70).collect(),
            Wish::Power(power) => format!("power {power:?}"),
            Wish::Rollback(to) => format!("rollback {to:?}"),
            Wish::Cancel => "cancel".to_owned(),
            Wish::Delete => "delete".to_owned(),
            Wish::Secret(value) => format!("secret {value}"),
        }
    }
}

impl<'a> History<'a> {
    pub(crate) fn new(world: &'a mut World, seed: u64) -> History<'a> {
        let mut chance = Chance::new(seed);
        world.engine.begin(chance.part());
        let apps = (0..1 + chance.below(2)).map(|number| App {
            name: format!("app-{number}"),
            shape: Shape::new(&mut chance),
            ids: Vec::new(),
        });
        let apps = apps.collect();
        History {
            world,
            chance,
            seed,
            apps,
            trace: Vec::new(),
            plan: Vec::new(),
            generations: BTreeMap::new(),
            asked: 0,
        }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if std::env::var_os("PLUVIO_TELL").is_some() {
            eprintln!("{text}");
        }
        self.trace.push(text);
    }

    /// Lives it to its end; how many operations were asked.
    pub(crate) async fn live(&mut self) -> Result<u64, Wrong> {
        let operations = 10 + self.chance.below(11);
        for number in 0..operations {
            self.misfortune().await;
            if number == 0 {
                for at in 0..self.apps.len() {
                    let wish = self.deploy(at);
                    self.ask(at, wish).await?;
                }
            } else if self.chance.percent(15) {
                self.ask_two().await?;
            } else {
                let at = self.chance.below(self.apps.len() as u64) as usize;
                let wish = self.wish(at);
                self.ask(at, wish).await?;
            }
            for _ in 0..self.chance.below(5) {
                self.progress().await;
            }
            self.check_always().await?;
        }
        self.calm().await;
        self.converge().await?;
        self.check_converged().await?;
        self.end().await?;
        Ok(self.asked)
    }

    fn deploy(&mut self, at: usize) -> Wish {
        let app = &self.apps[at];
        let spec = app.shape.spec(&app.name, &mut self.chance);
        let origin = match self.chance.percent(60) {
            true => Origin::Apply,
            false => Origin::Deploy,
        };
        let home = self.world.store.home();
        let (team, environment) = (home.team, home.environment);
        let scope = pluvio_store::Scope {
            team,
            team_name: "main".parse().unwrap(),
            environment,
            environment_name: "production".parse().unwrap(),
            cluster: None,
        };
        let secrets = match self.chance.percent(90) {
            true => vec![("KEY".parse().unwrap(), SecretValue("key-1".to_owned()))],
            false => Vec::new(),
        };
        Wish::Deploy(Box::new(DeployAsk {
            only: Vec::new(),
            scope,
            spec,
            upload: None,
            source_note: SourceRecord::default(),
            pull: false,
            secrets,
            origin,
            create_only: false,
            take_over: self.chance.percent(70),
        }))
    }

    fn wish(&mut self, at: usize) -> Wish {
        let part = self.apps[at].shape.part(&mut self.chance);
        let component = part.parse().unwrap();
        match self.chance.below(100) {
            0..30 => self.deploy(at),
            30..42 => {
                let value = EnvValue(self.chance.below(4).to_string());
                let env = [("VERSION".parse().unwrap(), Some(value))]
                    .into_iter()
                    .collect();
                Wish::Patch(OperationKind::Configure, Patch::SetEnv { component, env })
            }
            42..50 => {
                let instances = self.chance.below(4) as u32;
                Wish::Patch(
                    OperationKind::Scale,
                    Patch::Scale {
                        component,
                        instances,
                    },
                )
            }
            50..54 => {
                let routes = self.chance.percent(50).then(Vec::new);
                Wish::Patch(
                    OperationKind::Configure,
                    Patch::SetRoutes { component, routes },
                )
            }
            54..61 => Wish::Patch(OperationKind::Restart, Patch::Restart),
            61..68 => Wish::Power(Power::Off),
            68..75 => Wish::Power(Power::On),
            75..83 => {
                let to = self.chance.percent(60).then(|| 1 + self.chance.below(8));
                Wish::Rollback(to)
            }
            83..91 => Wish::Cancel,
            91..95 => Wish::Delete,
            _ => Wish::Secret(format!("key-{}", self.chance.below(3))),
        }
    }

    async fn ask(&mut self, at: usize, wish: Wish) -> Result<(), Wrong> {
        self.asked += 1;
        let key = format!("{}-{}", self.seed, self.asked);
        let (name, what) = (self.apps[at].name.clone(), wish.name());
        let future = carry_out(
            self.world.control.clone(),
            name.clone(),
            wish.clone(),
            key.clone(),
        );
        self.plan.push(format!("{name}: {what}"));
        let (dies, commits, asks_again) = (
            self.chance.percent(12),
            self.chance.below(3),
            self.chance.percent(70),
        );
        let answer = match dies {
            true => {
                let answer = cut(&self.world.store, commits, future).await;
                self.crash(commits == 0).await;
                answer
            }
            false => Some(future.await),
        };
        let answer = match answer {
            // Whoever asked sees no answer, and asks again with the same key.
            None if asks_again => {
                self.note(format!("{name}: {what}: cut"));
                carry_out(self.world.control.clone(), name.clone(), wish, key).await
            }
            None => {
                self.note(format!("{name}: {what}: cut, for good"));
                return self.known(at).await;
            }
            Some(answer) => answer,
        };
        self.answered(&name, &what, &answer)?;
        self.known(at).await
    }

    async fn ask_two(&mut self) -> Result<(), Wrong> {
        self.asked += 2;
        let count = self.apps.len() as u64;
        let (one, two) = (
            self.chance.below(count) as usize,
            self.chance.below(count) as usize,
        );
        let (first, second) = (self.wish(one), self.wish(two));
        let names = [first.name(), second.name()];
        self.plan.push(names.join(" and "));
        let (seed, asked) = (self.seed, self.asked);
        let control = || self.world.control.clone();
        let of = |at: usize| self.apps[at].name.clone();
        let (a, b) = tokio::join!(
            carry_out(control(), of(one), first, format!("{seed}-{asked}-1")),
            carry_out(control(), of(two), second, format!("{seed}-{asked}-2")),
        );
        let (first, second) = (of(one), of(two));
        self.answered(&first, &names[0], &a)?;
        self.answered(&second, &names[1], &b)?;
        self.known(one).await?;
        self.known(two).await
    }

    fn answered(
        &mut self,
        name: &str,
        what: &str,
        answer: &Result<Option<OperationId>, Problem>,
    ) -> Result<(), Wrong> {
        let how = match answer {
            Ok(_) => "taken".to_owned(),
            Err(problem) => {
                if problem.code == "internal" || problem.remedy.contains("report it") {
                    return Err(format!("{name}: {what}: {problem:?}"));
                }
                problem.code.to_string()
            }
        };
        self.note(format!("{name}: {what}: {how}"));
        Ok(())
    }

    /// Learns which application has the name now.
    async fn known(&mut self, at: usize) -> Result<(), Wrong> {
        let store = &self.world.store;
        let found = store
            .find_application(store.home().environment, &self.apps[at].name)
            .await;
        if let Ok(application) = found
            && !self.apps[at].ids.contains(&application.id)
        {
            self.apps[at].ids.push(application.id);
        }
        Ok(())
    }

    /// One thing that goes on by itself in a real process, at a moment of its own.
    pub(crate) async fn progress(&mut self) {
        let crashes = self.chance.percent(6);
        let commits = self.chance.below(4);
        match self.chance.below(10) {
            0..4 => self.look(crashes.then_some(commits)).await,
            4..6 => self.work(crashes.then_some(commits)).await,
            6 => {
                self.look(None).await;
                self.work(None).await;
                self.look(None).await;
            }
            _ => {
                let time = match self.chance.below(3) {
                    0 => Duration::from_millis(50 + self.chance.below(500)),
                    1 => Duration::from_secs(1 + self.chance.below(5)),
                    _ => Duration::from_secs(5 + self.chance.below(30)),
                };
                self.world.pass(time).await;
            }
        }
    }

    pub(crate) async fn look(&mut self, cut_after: Option<u64>) {
        let World {
            rounds,
            control,
            store,
            ..
        } = &mut *self.world;
        match cut_after {
            Some(commits) => {
                let _ = cut(store, commits, rounds.look(control)).await;
                self.note("look: cut");
                self.crash(commits == 0).await;
            }
            None => {
                let _ = rounds.look(control).await;
            }
        }
    }

    pub(crate) async fn work(&mut self, cut_after: Option<u64>) {
        let owner = self.world.owner();
        for _ in 0..4 {
            let working = pluvio_control::worker::take_one(&self.world.control, &owner);
            match cut_after {
                Some(commits) => {
                    let _ = cut(&self.world.store, commits, working).await;
                    self.note("work: cut");
                    self.crash(commits == 0).await;
                    return;
                }
                None => {
                    if !working.await.unwrap_or(false) {
                        return;
                    }
                }
            }
        }
    }

    async fn crash(&mut self, anew: bool) {
        self.world.restart_control(anew).await;
    }

    /// Something breaks, or is whole again.
    async fn misfortune(&mut self) {
        const VERBS: [&str; 7] = [
            "ensure_network",
            "ensure_volume",
            "create",
            "start",
            "stop",
            "remove",
            "remove_network",
        ];
        if self.chance.percent(50) {
            return;
        }
        let what = self.chance.below(12);
        let which = self.chance.below(1000) as usize;
        self.plan.push(format!("misfortune {what}"));
        let engine = self.world.engine.clone();
        match what {
            0 | 1 => {
                let verb = Some(*self.chance.one(&VERBS));
                self.note(format!("fault: {verb:?}"));
                engine.set(Faults {
                    verb,
                    ..Faults::default()
                });
            }
            2 => {
                let after = Some(self.chance.below(6) as u32);
                engine.set(Faults {
                    after,
                    ..Faults::default()
                });
            }
            3 => {
                let slow = Some(Duration::from_millis(200 + self.chance.below(5000)));
                engine.set(Faults {
                    slow,
                    ..Faults::default()
                });
            }
            4 => {
                let away = self.chance.percent(60);
                self.note(format!("engine away: {away}"));
                engine.inner.set_unreachable(away);
            }
            5 => {
                let live = self.chance.percent(50);
                self.note(format!("engine restarts, live: {live}"));
                engine.inner.restart(live);
            }
            6 | 7 => {
                let names: Vec<String> = engine.inner.all().into_keys().collect();
                if !names.is_empty() {
                    let name = names[which % names.len()].clone();
                    match what {
                        6 => engine.end(&name, 137),
                        _ => engine.inner.remove_by_hand(&name),
                    }
                }
            }
            8 => {
                self.note("node killed");
                self.world.kill_node().await;
            }
            9 | 10 => self.world.start_node().await,
            _ => {
                self.note("calm");
                self.calm().await;
            }
        }
    }

    /// Nothing is wrong any more.
    pub(crate) async fn calm(&mut self) {
        self.world.engine.set(Faults::default());
        self.world.engine.inner.set_unreachable(false);
        self.world.start_node().await;
        if self.world.control.bound_cluster().is_none() {
            let _ = self.world.control.bind().await;
        }
    }
}

async fn carry_out(
    control: Control,
    name: String,
    wish: Wish,
    key: String,
) -> Result<Option<OperationId>, Problem> {
    if control.bound_cluster().is_none() {
        // What waits for the node would wait in vain while time stands still.
        control.bind().await?;
    }
    let by = Asker {
        actor: "somebody".to_owned(),
        idempotency: Some(Idempotency {
            fingerprint: wish.name(),
            key,
        }),
        if_revision: None,
    };
    let id = |asked: Asked| Some(asked.operation.id);
    if let Wish::Deploy(ask) = wish {
        return control.deploy(by, *ask).await.map(id);
    }
    let store = control.store();
    let found = store.find_application(store.home().environment, &name);
    let application: Application = found.await.map_err(Problem::from)?;
    match wish {
        Wish::Deploy(_) => unreachable!("asked above"),
        Wish::Patch(kind, patch) => {
            let ask = PatchAsk {
                components: Vec::new(),
                kind,
                title: "a patch".to_owned(),
                patches: vec![patch],
                secrets: Vec::new(),
            };
            control.patch(by, &application, ask).await.map(id)
        }
        Wish::Power(power) => control
            .set_power(by, &application, power, &[])
            .await
            .map(id),
        Wish::Rollback(to) => control.rollback(by, &application, to).await.map(id),
        Wish::Delete => control.delete(by, &application).await.map(id),
        Wish::Cancel => {
            let running = store.running_operations(application.id).await;
            match running.map_err(Problem::from)?.last() {
                Some(last) => {
                    let cancelled = control.cancel(last.id, "somebody").await?;
                    Ok(Some(cancelled.id))
                }
                None => Ok(None),
            }
        }
        Wish::Secret(value) => {
            let key = "KEY".parse().expect("a name");
            store
                .set_secret(application.id, &key, &SecretValue(value), "somebody")
                .await
                .map_err(Problem::from)?;
            Ok(None)
        }
    }
}
