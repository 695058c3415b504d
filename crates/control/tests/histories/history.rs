//! One history: applications, what is asked of them, what goes wrong meanwhile, and what must hold all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use pluvio_control::{CopyAsk, DeployAsk, copying, volumes};
use pluvio_model::id::{ApplicationId, EnvironmentId, OperationId};
use pluvio_model::name::Name;
use pluvio_model::operation::OperationKind;
use pluvio_model::problem::Problem;
use pluvio_model::revision::{Origin, SourceRecord};
use pluvio_model::spec::EnvValue;
use pluvio_model::stage::{Power, SecretValue};
use pluvio_plan::copy::{Data, Wishes};
use pluvio_plan::patch::Patch;

use crate::asks::{Wish, carry_out};
use crate::chance::Chance;
use crate::engine::Faults;
use crate::wishes::Shape;
use crate::world::{World, cut, flowing};

pub(crate) struct App {
    pub(crate) name: String,
    /// In which of the two environments.
    pub(crate) place: usize,
    /// The application that it is a copy of at first, by its number.
    of: Option<usize>,
    shape: Shape,
    /// Every one of this name there was.
    pub(crate) ids: Vec<ApplicationId>,
}

impl App {
    /// What it is a copy of, if it is.
    pub(crate) fn original<'a>(&self, all: &'a [App]) -> Option<&'a App> {
        self.of.map(|number| &all[number])
    }
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
    /// Copies that were begun, with what their data shall be.
    pub(crate) copies: BTreeMap<ApplicationId, BTreeMap<Name, u64>>,
    /// The newest generation seen of each.
    pub(crate) generations: BTreeMap<ApplicationId, u64>,
    asked: u64,
}

impl<'a> History<'a> {
    pub(crate) fn new(world: &'a mut World, seed: u64) -> History<'a> {
        let mut chance = Chance::new(seed);
        world.engine.begin(chance.part());
        let mut apps: Vec<App> = (0..1 + chance.below(2))
            .map(|number| App {
                name: format!("app-{number}"),
                place: 0,
                of: None,
                shape: Shape::new(&mut chance),
                ids: Vec::new(),
            })
            .collect();
        // In one of three there are copies: into the other environment, or beside the original under another name.
        let originals = if chance.percent(33) { apps.len() } else { 0 };
        for number in 0..originals {
            let beside = chance.percent(40);
            let original = &apps[number];
            apps.push(App {
                name: match beside {
                    true => format!("{}-two", original.name),
                    false => original.name.clone(),
                },
                place: usize::from(!beside),
                of: Some(number),
                shape: original.shape.clone(),
                ids: Vec::new(),
            });
        }
        History {
            world,
            chance,
            seed,
            apps,
            trace: Vec::new(),
            plan: Vec::new(),
            copies: BTreeMap::new(),
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
                for at in (0..self.apps.len())
                    .filter(|at| self.apps[*at].of.is_none())
                    .collect::<Vec<_>>()
                {
                    let wish = self.deploy(at);
                    self.ask(at, wish).await?;
                }
            } else if self.chance.percent(15) {
                self.ask_two().await?;
            } else {
                let at = self.somewhere();
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
        let scope = self.world.places[app.place].clone();
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

    /// Mostly one of those that there are from the beginning.
    fn somewhere(&mut self) -> usize {
        let originals = self.apps.iter().filter(|app| app.of.is_none()).count();
        let copies = self.apps.len() - originals;
        if copies > 0 && self.chance.percent(25) {
            return originals + self.chance.below(copies as u64) as usize;
        }
        self.chance.below(originals as u64) as usize
    }

    /// A copy to this application, which most often is not there.
    fn copy_to(&mut self, at: usize) -> Wish {
        let app = &self.apps[at];
        let (to, name) = (self.world.places[app.place].clone(), app.name.parse());
        let data = match self.chance.below(10) {
            0..2 => Data::Empty,
            2..4 => Data::Volumes,
            _ => Data::All,
        };
        let wishes = Wishes {
            data,
            copy_secrets: self.chance.percent(90),
            ..Wishes::default()
        };
        let ask = CopyAsk {
            to,
            name: Some(name.unwrap()),
            wishes,
            secrets: Vec::new(),
        };
        Wish::Copy(at, Box::new(ask))
    }

    fn wish(&mut self, at: usize) -> Wish {
        if self.apps[at].of.is_some() && self.chance.percent(55) {
            return self.copy_to(at);
        }
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

    /// Of which application a wish is asked, and what it is called here.
    fn asked_of(&self, at: usize, wish: &Wish) -> (EnvironmentId, String, String) {
        let app = match wish {
            Wish::Copy(to, _) => &self.apps[self.apps[*to].of.unwrap_or(at)],
            _ => &self.apps[at],
        };
        let place = &self.world.places[app.place];
        let shown = format!("{}/{}", place.environment_name, app.name);
        (place.environment, app.name.clone(), shown)
    }

    async fn ask(&mut self, at: usize, wish: Wish) -> Result<(), Wrong> {
        self.asked += 1;
        let key = format!("{}-{}", self.seed, self.asked);
        let (environment, app, name) = self.asked_of(at, &wish);
        let what = wish.name();
        let taken = self.to_take(&wish).await?;
        let future = carry_out(
            self.world.control.clone(),
            (environment, app.clone()),
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
                let of = (environment, app);
                carry_out(self.world.control.clone(), of, wish.clone(), key).await
            }
            None => {
                self.note(format!("{name}: {what}: cut, for good"));
                return self.known(at, taken).await;
            }
            Some(answer) => answer,
        };
        self.answered(&name, &what, &answer)?;
        self.known(at, taken).await
    }

    async fn ask_two(&mut self) -> Result<(), Wrong> {
        self.asked += 2;
        let (one, two) = (self.somewhere(), self.somewhere());
        let (first, second) = (self.wish(one), self.wish(two));
        let names = [first.name(), second.name()];
        self.plan.push(names.join(" and "));
        let (seed, asked) = (self.seed, self.asked);
        let taken = (self.to_take(&first).await?, self.to_take(&second).await?);
        let ask = |at: usize, wish: &Wish, number: u8| {
            let (environment, app, _) = self.asked_of(at, wish);
            let key = format!("{seed}-{asked}-{number}");
            let control = self.world.control.clone();
            carry_out(control, (environment, app), wish.clone(), key)
        };
        let (a, b) = tokio::join!(ask(one, &first, 1), ask(two, &second, 2));
        let shown = [self.asked_of(one, &first).2, self.asked_of(two, &second).2];
        self.answered(&shown[0], &names[0], &a)?;
        self.answered(&shown[1], &names[1], &b)?;
        self.known(one, taken.0).await?;
        self.known(two, taken.1).await
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
    async fn known(&mut self, at: usize, taken: BTreeMap<Name, u64>) -> Result<(), Wrong> {
        let store = &self.world.store;
        let environment = self.world.places[self.apps[at].place].environment;
        let found = store.find_application(environment, &self.apps[at].name);
        let Ok(application) = found.await else {
            return Ok(());
        };
        if !self.apps[at].ids.contains(&application.id) {
            self.apps[at].ids.push(application.id);
            self.copies.insert(application.id, taken);
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
        // As the worker's own loop has it.
        if self.world.control.bound_cluster().is_none() {
            return;
        }
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
                        break;
                    }
                }
            }
        }
        let most = Duration::from_millis(200 + self.chance.below(4000));
        self.carry_data(most).await;
    }

    /// Copies go on with their data, as long as `most`; a process that has not come to the end of one ends then.
    pub(crate) async fn carry_data(&mut self, most: Duration) {
        if !self.has_data_to_carry().await {
            return;
        }
        let owner = self.world.owner();
        let control = self.world.control.clone();
        let store = self.world.store.clone();
        let rounds = &mut self.world.rounds;
        let carried = async {
            let works = async {
                for _ in 0..3 {
                    let worked = copying::take_one(&control, &owner).await.unwrap_or(false);
                    let _ = copying::clear(&control).await;
                    if !worked {
                        return;
                    }
                }
            };
            // There is one who looks after volumes, and one who looks after releases.
            let meanwhile = async {
                loop {
                    let _ = volumes::look(&control).await;
                    let _ = rounds.look(&control).await;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            };
            tokio::select! {
                biased;
                () = works => {}
                () = meanwhile => {}
            }
            let _ = volumes::look(&control).await;
        };
        if flowing(&store, most, carried).await.is_none() {
            self.note("data: cut");
            self.crash(false).await;
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
                        // With a run that is over would go what nobody else knows yet: how it ended.
                        _ if engine.inner.all()[&name] || !name.contains("--run-") => {
                            engine.inner.remove_by_hand(&name);
                        }
                        _ => {}
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
