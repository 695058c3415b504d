//! What a node does when its surroundings fail: an engine in memory, broken on purpose.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pluvio_model::facts::ImageFacts;
use pluvio_model::id::ClusterId;
use pluvio_model::image::ContentHash;
use pluvio_model::observed::{InstanceState, ObservedApplication, ObservedRun, RunState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedHook, DecidedHooks, DecidedTask};
use pluvio_model::stage::{TaskWish, Wish};
use pluvio_node::{Client, Config, Node};
use pluvio_runtime::conformance::Example;
use pluvio_runtime::memory::{Fault, FaultyDriver, MemoryDriver};
use pluvio_runtime::{Runtime, RuntimeError, Scope};

struct Play {
    engine: MemoryDriver,
    faults: Arc<FaultyDriver>,
    config: Config,
    node: Option<Node>,
    example: Example,
    folder: tempfile::TempDir,
}

fn engine() -> (MemoryDriver, ImageFacts) {
    let engine = MemoryDriver::new(ClusterId(uuid::Uuid::now_v7()));
    let facts = ImageFacts {
        id: "sha256:example".to_owned(),
        ..ImageFacts::default()
    };
    engine.add_image("localhost/example:1", facts.clone());
    (engine, facts)
}

impl Play {
    async fn begin() -> Play {
        let folder = tempfile::tempdir().unwrap();
        Play::begin_in(folder.path().to_owned().as_path(), folder).await
    }

    async fn begin_in(data: &Path, folder: tempfile::TempDir) -> Play {
        let (engine, facts) = engine();
        let mut config = Config::new(data);
        config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let faults = Arc::new(FaultyDriver::new(Arc::new(engine.clone())));
        let node = Node::start(&config, faults.clone()).unwrap();
        let cluster = node.facts().await.unwrap().cluster;
        let example = Example {
            instances: 2,
            hot: String::new(),
            ..Example::new(cluster, ("localhost/example:1".to_owned(), facts.id))
        };
        Play {
            engine,
            faults,
            config,
            node: Some(node),
            example,
            folder,
        }
    }

    fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    async fn deploy(&mut self, version: &str) -> Result<(), RuntimeError> {
        self.example.version = version.to_owned();
        let stage = self.example.stage();
        self.node().apply(&stage).await
    }

    /// Names a release task, and nothing else that runs.
    async fn deploy_task(&mut self, timeout: Span) {
        let mut stage = self.example.stage();
        let Wish::Run(wish) = &mut stage.wish else {
            unreachable!()
        };
        let web = wish.release.components.get_mut("web").unwrap();
        let hash = ContentHash::of(&"migrate");
        web.content.release_task = Some(DecidedTask {
            command: vec!["migrate".to_owned()],
            timeout,
            hash: hash.clone(),
        });
        wish.components.clear();
        wish.tasks = vec![TaskWish {
            component: "web".parse().unwrap(),
            hash,
        }];
        self.node().apply(&stage).await.unwrap();
    }

    /// One instance with a hook on each side.
    async fn deploy_hooks(&mut self, version: &str) {
        self.example.version = version.to_owned();
        self.example.instances = 1;
        let mut stage = self.example.stage();
        let Wish::Run(wish) = &mut stage.wish else {
            unreachable!()
        };
        let hook = |words: [&str; 2]| DecidedHook {
            command: words.map(str::to_owned).to_vec(),
            user: None,
            working_dir: None,
            env: Default::default(),
            privileged: false,
            timeout: None,
        };
        let web = wish.release.components.get_mut("web").unwrap();
        web.content.hooks = DecidedHooks {
            post_start: vec![hook(["prepare", "all"])],
            pre_stop: vec![hook(["leave", "well"])],
        };
        web.hash = ContentHash::of(&web.content);
        self.node().apply(&stage).await.unwrap();
    }

    async fn run_in(&self, state: RunState) -> ObservedRun {
        let what = format!("a run that is {state:?}");
        let is_in = |seen: &ObservedApplication| seen.runs.iter().any(|run| run.state == state);
        let seen = self.until(&what, is_in).await;
        seen.runs
            .into_iter()
            .find(|run| run.state == state)
            .unwrap()
    }

    async fn seen(&self) -> ObservedApplication {
        let mut all = self.node().observe(Scope::All).await.unwrap();
        all.applications
            .remove(&self.example.application)
            .unwrap_or_default()
    }

    async fn until(
        &self,
        what: &str,
        holds: impl Fn(&ObservedApplication) -> bool,
    ) -> ObservedApplication {
        let mut changes = self.node().changes();
        let ends = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            changes.borrow_and_update();
            let seen = self.seen().await;
            if holds(&seen) {
                return seen;
            }
            assert!(
                tokio::time::Instant::now() < ends,
                "never {what}: {seen:#?}"
            );
            let _ = tokio::time::timeout(Duration::from_millis(100), changes.changed()).await;
        }
    }

    async fn settled(&self) -> ObservedApplication {
        let generation = self.example.generation;
        self.until("settled", |seen| {
            seen.settled && seen.generation.0 == generation
        })
        .await
    }
}

fn refused(outcome: Result<(), RuntimeError>) -> Problem {
    match outcome {
        Err(RuntimeError::Refused(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

/// D6: a volume or network that cannot be made fails before any instance starts, and is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_instances_need_is_made_first_or_nothing_starts() {
    for verb in ["ensure_volume", "ensure_network"] {
        let mut play = Play::begin().await;
        play.faults.set(Some(Fault::RefuseVerb(verb)));
        play.deploy("one").await.unwrap();
        let seen = play.until("failed", |seen| seen.problem.is_some()).await;
        assert!(seen.problem.unwrap().cause.contains(verb));
        assert_eq!(play.engine.all().len(), 0);
        play.faults.set(None);
        let seen = play.settled().await;
        assert_eq!(
            (seen.problem, seen.components["web"].instances.len()),
            (None, 2)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_refuses_or_is_slow_delays_and_loses_nothing() {
    let mut play = Play::begin().await;
    for verb in ["create", "start"] {
        play.faults.set(Some(Fault::RefuseVerb(verb)));
        play.deploy(verb).await.unwrap();
        play.until("refused", |seen| seen.problem.is_some()).await;
        play.faults.set(None);
        assert_eq!(play.settled().await.components["web"].instances.len(), 2);
    }
    for step in 1..=8 {
        play.faults.set(Some(Fault::Refuse { step }));
        play.deploy(&format!("step {step}")).await.unwrap();
        assert_eq!(play.settled().await.components["web"].instances.len(), 2);
    }
    play.faults
        .set(Some(Fault::Slow(Duration::from_millis(300))));
    play.deploy("slow").await.unwrap();
    assert_eq!(play.settled().await.components["web"].instances.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_away_is_told_of_and_waited_for() {
    let mut play = Play::begin().await;
    play.deploy("one").await.unwrap();
    let before = play.settled().await;
    play.engine.set_unreachable(true);
    let seen = play.until("told", |seen| seen.problem.is_some()).await;
    assert!(seen.problem.unwrap().is(problem::ENGINE_MISSING));
    assert!(
        seen.components["web"]
            .instances
            .iter()
            .all(|i| i.state == InstanceState::Ready)
    );
    // A stage is taken all the same: it is on disk, and carried out when the engine is back.
    play.deploy("two").await.unwrap();
    // A node that starts while its engine is away lives, keeps the stage and says why nothing goes on.
    play.node.take().unwrap().kill().await;
    play.node = Some(Node::start(&play.config, play.faults.clone()).unwrap());
    play.until("told again", |seen| seen.problem.is_some())
        .await;
    play.engine.set_unreachable(false);
    let seen = play.settled().await;
    assert_ne!(
        seen.components["web"].wanted,
        before.components["web"].wanted
    );
    assert_eq!(play.engine.all().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_takes_its_containers_with_it_gets_them_back_at_their_addresses() {
    let mut play = Play::begin().await;
    play.deploy("one").await.unwrap();
    let places = |seen: ObservedApplication| {
        let instances = seen.components["web"].instances.clone();
        instances
            .into_iter()
            .map(|i| (i.name, i.address))
            .collect::<Vec<_>>()
    };
    let before = places(play.settled().await);
    play.engine.restart(false);
    let restarted = |seen: &ObservedApplication| {
        seen.settled
            && seen.components["web"]
                .instances
                .iter()
                .all(|i| i.restarts == 1)
    };
    assert_eq!(places(play.until("started again", restarted).await), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_the_engine_does_not_end_at_once_is_ended_later() {
    let mut play = Play::begin().await;
    play.faults.set(Some(Fault::RefuseVerb("stop")));
    play.deploy_task(Span::seconds(1)).await;
    let name = play.run_in(RunState::Running).await.instance;
    // Its time is over, and the engine does not end it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(play.run_in(RunState::Running).await.instance, name);
    assert_eq!(play.engine.all().get(&name), Some(&true));
    play.faults.set(None);
    let run = play.run_in(RunState::Failed).await;
    assert!(run.problem.unwrap().cause.contains("ran for more than 1s"));
    play.until("removed", |_| play.engine.all().is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_begun_and_is_not_wanted_any_more_is_not_started() {
    let mut play = Play::begin().await;
    play.faults.set(Some(Fault::HangVerb("start")));
    play.deploy_task(Span::seconds(600)).await;
    let mut reached = play.faults.reached();
    reached.wait_for(|reached| *reached).await.unwrap();
    let run = play.run_in(RunState::Running).await;
    assert_eq!(play.engine.all().get(&run.instance), Some(&false));
    let mut next = play.example.stage();
    let Wish::Run(wish) = &mut next.wish else {
        unreachable!()
    };
    wish.components.clear();
    play.node().apply(&next).await.unwrap();
    play.node.take().unwrap().kill().await;

    // A start that is asked for would be refused, and the run tell of that.
    play.faults.set(Some(Fault::RefuseVerb("start")));
    play.node = Some(Node::start(&play.config, play.faults.clone()).unwrap());
    let run = play.run_in(RunState::Failed).await;
    assert!(run.problem.unwrap().is(problem::CANCELLED));
    play.until("removed", |_| play.engine.all().is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_reach_containers_and_a_missing_one_starts_nothing() {
    use pluvio_model::stage::SecretValue;
    use pluvio_model::template::{Part, Rendered, SecretRef};
    let mut play = Play::begin().await;
    let secret = SecretRef {
        name: "KEY".parse().unwrap(),
        version: 3,
    };
    let mut stage = play.example.stage();
    let Wish::Run(wish) = &mut stage.wish else {
        unreachable!()
    };
    let web = wish.release.components.get_mut("web").unwrap();
    let value = Rendered(vec![Part::Text("key=".to_owned()), Part::Secret(secret)]);
    let file = web.hot_files.values_mut().next().unwrap();
    file.content = value;
    play.node().apply(&stage).await.unwrap();
    let seen = play.until("refused", |seen| seen.problem.is_some()).await;
    assert!(seen.problem.unwrap().is(problem::SECRET_MISSING));
    assert!(play.engine.all().is_empty());
    let Wish::Run(wish) = &mut stage.wish else {
        unreachable!()
    };
    wish.secrets
        .insert("KEY@3".to_owned(), SecretValue("hunter2".to_owned()));
    play.node().apply(&stage).await.unwrap();
    let seen = play.settled().await;
    let name = &seen.components["web"].instances[0].name;
    assert_eq!(
        play.engine.file(name, "/tmp/example/hot.conf").unwrap(),
        "key=hunter2"
    );
    // On disk for its owner alone.
    let path = play
        .config
        .folder()
        .join(format!("stages/{}.json", play.example.application));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_stages_and_what_runs_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&small)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: nothing may be mounted here");
        return;
    }
    let mut play = Play::begin_in(&small, folder).await;
    play.deploy("one").await.unwrap();
    play.settled().await;
    let filler = small.join("filler");
    let _ = std::fs::write(&filler, vec![0_u8; 2 << 20]);
    let outcome = play.deploy("two").await;
    assert!(refused(outcome).is(problem::DISK_FULL));
    // What died meanwhile comes back: nothing of that needs the disk.
    let name = play.seen().await.components["web"].instances[0]
        .name
        .clone();
    play.engine.end(&name, 1, false);
    play.until("started again", |seen| {
        seen.components["web"]
            .instances
            .iter()
            .all(|i| i.state == InstanceState::Ready)
            && seen.components["web"]
                .instances
                .iter()
                .any(|i| i.restarts == 1)
    })
    .await;
    std::fs::remove_file(&filler).unwrap();
    play.deploy("three").await.unwrap();
    play.settled().await;
    play.node.take().unwrap().kill().await;
    assert!(
        Command::new("umount")
            .arg(&small)
            .status()
            .unwrap()
            .success()
    );
    drop(play.folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_a_folder_and_one_engine_a_node() {
    let play = Play::begin().await;
    let second = Node::start(&play.config, play.faults.clone()).unwrap_err();
    assert!(second.to_problem().is(problem::CONFLICT), "{second}");
    let mut taken = Config::new(play.folder.path().join("other"));
    taken.listen = play.node().addresses();
    let second = Node::start(&taken, play.faults.clone()).unwrap_err();
    assert!(second.to_problem().is(problem::PORT_TAKEN), "{second}");

    let mut stage = play.example.clone().stage();
    stage.cluster = ClusterId(uuid::Uuid::now_v7());
    assert!(refused(play.node().apply(&stage).await).is(problem::ENGINE_FOREIGN));
}

/// The binary's way to its engine: looked for until it is there, then that one and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_is_looked_for_until_it_answers_and_another_is_refused() {
    let socket = crate::scene::socket("docker");
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    config.grace = Duration::from_millis(100);
    let later = folder.path().join("engine.sock");
    config.engine = Some(later.clone());
    let client = Client::new(config.socket());
    let run = |config: Config| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(pluvio_node::run(config, async move {
            let _ = stopped.await;
        }));
        (stop, task)
    };
    let until = async |holds: &dyn Fn(Option<&Problem>) -> bool| {
        for _ in 0..200 {
            if let Ok(health) = client.health().await
                && holds(health.engine.as_ref())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", client.health().await);
    };
    let (stop, task) = run(config.clone());
    until(&|problem| problem.is_some_and(|p| p.is(problem::ENGINE_MISSING))).await;
    std::os::unix::fs::symlink(&socket, &later).unwrap();
    until(&|problem| problem.is_none()).await;
    let cluster = client.facts().await.unwrap().cluster;
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();

    let path = config.folder().join("engine.json");
    let other = std::fs::read_to_string(&path)
        .unwrap()
        .replace(&cluster.to_string(), &uuid::Uuid::nil().to_string());
    std::fs::write(&path, other).unwrap();
    let (stop, task) = run(config.clone());
    until(&|problem| problem.is_some_and(|p| p.is(problem::ENGINE_FOREIGN))).await;
    assert!(
        matches!(client.facts().await, Err(RuntimeError::Refused(p)) if p.is(problem::ENGINE_FOREIGN))
    );
    assert_eq!(client.rebind().await.unwrap().cluster, cluster);
    until(&|problem| problem.is_none()).await;
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_run_once_for_each_start_and_before_a_stop() {
    let mut play = Play::begin().await;
    play.deploy_hooks("one").await;
    let seen = play.settled().await;
    let name = seen.components["web"].instances[0].name.clone();
    let ran = |play: &Play| play.engine.ran_in(&name);
    assert_eq!(ran(&play), ["prepare all"]);
    // A node that is started anew knows that they are done.
    play.node.take().unwrap().kill().await;
    play.node = Some(Node::start(&play.config, play.faults.clone()).unwrap());
    play.settled().await;
    assert_eq!(ran(&play), ["prepare all"]);
    play.engine.end(&name, 1, false);
    play.until("started again", |seen| {
        let mut all = seen.components.values().flat_map(|web| &web.instances);
        all.any(|one| one.restarts == 1 && one.state == InstanceState::Ready)
    })
    .await;
    assert_eq!(ran(&play), ["prepare all", "prepare all"]);
    play.deploy_hooks("two").await;
    play.settled().await;
    assert_eq!(ran(&play), ["prepare all", "prepare all", "leave well"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_fails_stops_its_instance_until_it_does_not() {
    let mut play = Play::begin().await;
    play.engine.end_command_with("prepare", 3);
    play.deploy_hooks("one").await;
    let seen = play
        .until("stopped twice", |seen| {
            let mut all = seen.components.values().flat_map(|web| &web.instances);
            all.any(|one| one.restarts == 1 && matches!(one.state, InstanceState::BackOff { .. }))
        })
        .await;
    let instance = &seen.components["web"].instances[0];
    assert_eq!(instance.ready_at, None);
    let exit = instance.last_exit.as_ref().unwrap();
    let why = "the hook `prepare all` after its start ended with exit code 3";
    assert_eq!(exit.hook.as_deref(), Some(why));
    assert_eq!(exit.last_lines, ["it ends with 3"]);
    let ran = play.engine.ran_in(&instance.name);
    assert_eq!(
        ran,
        ["prepare all", "leave well", "prepare all", "leave well"]
    );
    play.engine.end_command_with("prepare", 0);
    let seen = play.settled().await;
    assert_eq!(seen.components["web"].instances[0].restarts, 2);
}
