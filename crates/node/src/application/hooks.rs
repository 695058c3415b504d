//! Hooks: commands in an instance's main container, after each start of its program and before it is told to end.
//!
//! Those after a start run beside the loop. The memo knows of which run of the program they are done; a node that is killed before
//! it noted that runs them again, so that each is run at least once. Nobody asks an instance whether it is ready before they are
//! done, and when one fails the instance is stopped, to be started again after a pause as if its program had ended.
//!
//! Those before a stop are part of the stop: each has what is left of the grace, and whatever they come to, the program is told
//! to end after them.

mod output;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use pluvio_model::observed::{ProbeAnswer, ProbeKind};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedHook, DecidedHooks};
use pluvio_model::template::SecretRef;
use pluvio_plan::lower::engine::{HookExec, resolve_hook};
use pluvio_plan::rollout::Health;
use pluvio_runtime::driver::{ContainerState, DriverError, ExecAs, SeenContainer};
use pluvio_runtime::{ExecOutput, ExecRequest, LogStream};
use pluvio_telemetry::events::EventStore;
use pluvio_telemetry::logs::LogStore;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Application;
use super::instances::Instance;
use super::memo::InstanceMemo;
use crate::collect::{Source, remark};
use crate::engine::Engine;
use crate::happened::{What, note};
use crate::stages::Kept;
use output::Said;

/// How long one after a start may take where nothing else is asked.
const LIMIT: Duration = Duration::from_secs(60);
/// A program that ends takes with it what else runs in its container, and the engine tells of that a moment later.
const SETTLE: Duration = Duration::from_millis(300);
/// Between two attempts while the engine does not answer.
const AGAIN: Duration = Duration::from_secs(5);
/// Characters of a command that are shown.
const SHOWN: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    AfterStart,
    BeforeStop,
}

impl When {
    fn of(self, hooks: &DecidedHooks) -> &[DecidedHook] {
        match self {
            When::AfterStart => &hooks.post_start,
            When::BeforeStop => &hooks.pre_stop,
        }
    }

    /// What their lines are told by, behind the instance's name.
    fn container(self) -> &'static str {
        match self {
            When::AfterStart => "post-start",
            When::BeforeStop => "pre-stop",
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            When::AfterStart => "after its start",
            When::BeforeStop => "before its stop",
        }
    }

    fn failed(self) -> What {
        match self {
            When::AfterStart => What::PostStartFailed,
            When::BeforeStop => What::PreStopFailed,
        }
    }
}

/// One of them, as it is run.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    shown: String,
    /// `Err`: the name of a secret that has no value here any more.
    run: Result<HookExec, String>,
}

/// Why one failed, as people read it, and what it said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) text: String,
    pub(crate) last_lines: Vec<String>,
}

/// The hooks of an instance that are due, with what it takes to run them.
#[derive(Debug)]
pub(crate) struct DueHooks {
    when: When,
    hooks: Vec<Hook>,
    /// The engine's id of the container.
    id: String,
    engine: Arc<Engine>,
    logs: Arc<LogStore>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// Which is at work, and since when.
    Running {
        shown: String,
        since: Timestamp,
    },
    Done,
    Failed(Failure),
}

/// The hooks after one start of an instance's program, until they are done; dropped, they are broken off.
#[derive(Debug)]
pub(crate) struct PostStart {
    /// When the program began that they are for.
    started_at: Timestamp,
    /// What the instance counts as until they are done.
    pub(crate) before: Health,
    outcome: Arc<Mutex<Outcome>>,
    /// A failure is told once.
    told: bool,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for PostStart {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PostStart {
    /// `changed` is told when they are done or have failed.
    pub(crate) fn start(
        hooks: DueHooks,
        started_at: Timestamp,
        before: Health,
        changed: Arc<Notify>,
    ) -> PostStart {
        let outcome = Arc::new(Mutex::new(Outcome::Running {
            shown: hooks
                .hooks
                .first()
                .map(|first| first.shown.clone())
                .unwrap_or_default(),
            since: started_at,
        }));
        let shared = outcome.clone();
        let task = tokio::spawn(async move {
            if let Some(ended) = hooks.after_start(started_at, &shared).await {
                set(&shared, ended);
                changed.notify_one();
            }
        });
        PostStart {
            started_at,
            before,
            outcome,
            told: false,
            task,
        }
    }

    fn outcome(&self) -> Outcome {
        self.outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        match self.outcome() {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Running { .. } | Outcome::Done => None,
        }
    }

    /// Why the instance is not ready, in the form of a probe's answer.
    pub(crate) fn answer(&self) -> Option<ProbeAnswer> {
        let (message, at, in_a_row) = match self.outcome() {
            Outcome::Running { shown, since } => {
                let message = format!("the hook `{shown}` after its start runs");
                (message, since, 0)
            }
            Outcome::Failed(failure) => (failure.text, self.started_at, 1),
            Outcome::Done => return None,
        };
        Some(ProbeAnswer {
            kind: ProbeKind::Startup,
            ok: false,
            message,
            at,
            in_a_row,
        })
    }
}

fn set(outcome: &Mutex<Outcome>, to: Outcome) {
    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

impl DueHooks {
    /// `None`: the run of the program that they are for is over, and there is nothing to tell.
    async fn after_start(
        &self,
        started_at: Timestamp,
        outcome: &Mutex<Outcome>,
    ) -> Option<Outcome> {
        let still_runs = |seen: &SeenContainer| {
            seen.id == self.id
                && matches!(&seen.state, ContainerState::Running { started_at: at } if *at == started_at)
        };
        for hook in &self.hooks {
            let running = Outcome::Running {
                shown: hook.shown.clone(),
                since: pluvio_model::clock::now(),
            };
            set(outcome, running);
            while let Err(failure) = self.run(hook, hook.limit().unwrap_or(LIMIT)).await {
                tokio::time::sleep(SETTLE).await;
                let view = self.engine.refresh().await;
                if view.problem.is_some() {
                    tokio::time::sleep(AGAIN).await;
                } else if view.containers().any(still_runs) {
                    return Some(Outcome::Failed(failure));
                } else {
                    return None;
                }
            }
        }
        Some(Outcome::Done)
    }

    /// Returns when the program may be told to end.
    pub(super) async fn before_stop(&self, grace: Span, events: &EventStore) {
        let ends = Instant::now() + grace.duration();
        for hook in &self.hooks {
            let left = ends.saturating_duration_since(Instant::now());
            let limit = hook.limit().map_or(left, |own| own.min(left));
            if let Err(failure) = self.run(hook, limit).await {
                note(events, &self.source, self.when.failed(), failure.text);
            }
        }
    }

    /// Runs one to its end; what it says is kept among its instance's lines.
    async fn run(&self, hook: &Hook, limit: Duration) -> Result<(), Failure> {
        remark(&self.logs, &self.source, format!("runs `{}`", hook.shown));
        let mut said = Said::new(&self.logs, &self.source);
        let ended = match &hook.run {
            Err(secret) => Err(format!("has no value of the secret {secret} here")),
            Ok(exec) => match tokio::time::timeout(limit, self.exec(exec, &mut said)).await {
                Ok(Ok(Some(0))) => Ok(()),
                Ok(Ok(Some(code))) => Err(format!("ended with exit code {code}")),
                Ok(Ok(None)) => Err("broke off".to_owned()),
                Ok(Err(error)) => Err(format!("could not be run: {error}")),
                Err(_) => Err(format!("did not end within {limit:.0?}")),
            },
        };
        let last_lines = said.end();
        let Err(how) = ended else {
            return Ok(());
        };
        remark(&self.logs, &self.source, how.clone());
        Err(Failure {
            text: format!("the hook `{}` {} {how}", hook.shown, self.when.in_words()),
            last_lines,
        })
    }

    /// Its exit code, if it came to an end.
    async fn exec(&self, hook: &HookExec, said: &mut Said<'_>) -> Result<Option<i64>, DriverError> {
        let request = ExecRequest {
            application: self.source.application,
            instance: self.source.container.clone(),
            container: None,
            command: hook.command.clone(),
            tty: false,
            size: None,
        };
        let own = ExecAs {
            user: hook.user.clone(),
            working_dir: hook.working_dir.clone(),
            env: hook.env.clone(),
            privileged: hook.privileged,
            no_input: true,
        };
        let mut session = self.engine.driver.exec_as(&request, &own).await?;
        while let Some(output) = session.output.next().await {
            match output {
                ExecOutput::Out(bytes) => said.take(LogStream::Out, &bytes),
                ExecOutput::Err(bytes) => said.take(LogStream::Err, &bytes),
                ExecOutput::Exit(code) => return Ok(Some(code)),
            }
        }
        Ok(None)
    }
}

impl Hook {
    fn new(hook: &DecidedHook, secret: &dyn Fn(&SecretRef) -> Option<String>) -> Hook {
        Hook {
            shown: shown(&hook.command),
            run: resolve_hook(hook, secret).map_err(|missing| missing.name.to_string()),
        }
    }

    /// As it was asked for.
    fn limit(&self) -> Option<Duration> {
        let exec = self.run.as_ref().ok()?;
        Some(exec.timeout?.duration())
    }
}

/// A line for the shell as it was written; words with blanks between them.
fn shown(command: &[String]) -> String {
    let text = match command {
        [shell, flag, line] if shell == "/bin/sh" && flag == "-c" => line.clone(),
        words => words.join(" "),
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a secret is in any of the stages that are kept: an instance may be of an older one.
fn secret_in(kept: &Kept, secret: &SecretRef) -> Option<String> {
    let stages = kept.owners().into_iter().map(|(_, _, wish)| wish);
    let mut wishes = kept.wish().into_iter().chain(stages);
    wishes.find_map(|wish| wish.secret(secret))
}

impl Application {
    /// Those of an instance's content; `None` while that is not known.
    fn hooks_of(&self, instance: &Instance, when: When) -> Option<Vec<Hook>> {
        let kept = &self.desired.as_ref()?.kept;
        let decided = kept.content(&instance.component, &instance.hash)?;
        let secret = |secret: &SecretRef| secret_in(kept, secret);
        let hooks = when.of(&decided.content.hooks).iter();
        Some(hooks.map(|hook| Hook::new(hook, &secret)).collect())
    }

    /// The hooks before its stop, with the secrets that they are given: those may be gone when it comes to that.
    pub(super) fn learn_pre_stop(&self, instance: &Instance) -> Option<Vec<Hook>> {
        let is_whole = |hooks: &Vec<Hook>| hooks.iter().all(|hook| hook.run.is_ok());
        match instance.pre_stop.as_ref().is_some_and(is_whole) {
            true => None,
            false => self.hooks_of(instance, When::BeforeStop),
        }
    }

    fn due_hooks(&self, instance: &Instance, when: When, hooks: Vec<Hook>) -> Option<DueHooks> {
        if hooks.is_empty() {
            return None;
        }
        let own = self.source(instance);
        Some(DueHooks {
            when,
            hooks,
            id: instance.seen.id.clone(),
            engine: self.shared.engine.clone(),
            logs: self.shared.logs.clone(),
            source: Source {
                instance: format!("{}/{}", own.instance, when.container()),
                ..own
            },
        })
    }

    /// What is to be run in an instance whose program began then, unless that was done.
    pub(super) fn due_after_start(
        &self,
        instance: &Instance,
        memo: &InstanceMemo,
        started_at: Timestamp,
    ) -> Option<DueHooks> {
        if memo.hooked == Some(started_at) {
            return None;
        }
        let hooks = self.hooks_of(instance, When::AfterStart)?;
        self.due_hooks(instance, When::AfterStart, hooks)
    }

    /// Takes in what became of the hooks after the start of this run.
    pub(super) fn attend_post_start(&mut self, name: &str, started_at: Timestamp) {
        let Some(instance) = self.instances.get_mut(name) else {
            return;
        };
        let Some(hooks) = &mut instance.post_start else {
            return;
        };
        if hooks.started_at != started_at {
            return;
        }
        match hooks.outcome() {
            Outcome::Running { .. } => {}
            Outcome::Done => {
                instance.post_start = None;
                if let Some(memo) = self.memo.instances.get_mut(name) {
                    memo.hooked = Some(started_at);
                }
            }
            Outcome::Failed(failure) => {
                if !std::mem::replace(&mut hooks.told, true) {
                    self.say(name, When::AfterStart.failed(), failure.text);
                }
            }
        }
    }

    /// What is run before an instance is told to end. Those after its start are broken off, unless that is why it ends.
    pub(super) fn turn_to_stop(&mut self, name: &str) -> Option<DueHooks> {
        let instance = self.instances.get_mut(name)?;
        if !instance.has_failed_hook() {
            instance.post_start = None;
        }
        let instance = self.instances.get(name)?;
        let hooks = instance.pre_stop.clone().unwrap_or_default();
        let due = self.due_hooks(instance, When::BeforeStop, hooks);
        due.filter(|_| instance.is_running())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_was_written_and_not_at_any_length() {
        let words = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        assert_eq!(shown(&words(&["./warm", "--all"])), "./warm --all");
        let line = "echo a\n  && echo b";
        assert_eq!(shown(&words(&["/bin/sh", "-c", line])), "echo a && echo b");
        let long = "ä".repeat(200);
        assert_eq!(shown(&words(&[long.as_str()])).chars().count(), SHOWN + 1);
    }
}
