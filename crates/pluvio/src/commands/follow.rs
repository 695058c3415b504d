//! Following an operation to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use pluvio_api::applications::OperationLogEntry;
use pluvio_model::operation::{ComponentProgress, Operation, Outcome, StepName, StepState};
use pluvio_model::problem::{self, Problem};

use super::Done;
use crate::context::Context;
use crate::output::{Tone, span};

impl Context {
    /// With `--no-wait` prints what was accepted; otherwise follows to the end. Fails when the operation does.
    pub(crate) async fn finish(&self, operation: Operation) -> Result<Operation, Problem> {
        if self.global.no_wait {
            if self.out.json {
                self.out.document(&operation);
            } else {
                self.out.line(format!(
                    "{}  accepted; follow it with `pluvio operation follow {}`",
                    operation.title, operation.id
                ));
            }
            return Ok(operation);
        }
        let timeout = self
            .global
            .timeout
            .map_or(Duration::from_secs(600), |t| t.duration());
        let followed = tokio::time::timeout(timeout, self.follow(operation.clone())).await;
        let Ok(ended) = followed else {
            return Err(problem::TIMED_OUT.problem(format!("{} is not over after {}.", operation.title, span(timeout.as_millis() as u64)), format!("It goes on. Follow it with `pluvio operation follow {}`, or give a longer --timeout.", operation.id)));
        };
        let ended = ended?;
        let failure = match &ended.outcome {
            Some(Outcome::Failed { problem }) => Some((**problem).clone()),
            Some(Outcome::Cancelled) => {
                Some(problem::CANCELLED.problem("It was cancelled.", "What ran before runs on."))
            }
            Some(Outcome::Superseded { .. }) => Some(problem::RELEASE_SUPERSEDED.problem(
                "A later deploy was asked before this one was done.",
                "Nothing needs to be done: the later one is at work, or done.",
            )),
            _ => None,
        };
        match failure {
            Some(problem) => Err(problem),
            None => Ok(ended),
        }
    }

    /// Prints steps and log as they come; a connection that breaks is taken up again where it broke.
    pub(crate) async fn follow(&self, mut operation: Operation) -> Result<Operation, Problem> {
        let client = self.client()?;
        let path = format!("/api/v1/operations/{}/events", operation.id);
        let mut printer = Printer::default();
        let mut last: Option<String> = None;
        let mut failures = 0;
        loop {
            let mut events = match client.events(&path, last.as_deref()).await {
                Ok(events) => events,
                Err(problem) if problem.is(problem::SERVER_UNREACHABLE) && failures < 60 => {
                    // Control may be restarting; the operation is in the database.
                    failures += 1;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    continue;
                }
                Err(problem) => return Err(problem),
            };
            while let Some(event) = events.next().await {
                let Ok(event) = event else { break };
                failures = 0;
                if event.id.is_some() {
                    last = event.id;
                }
                match event.event.as_str() {
                    "operation" => {
                        if let Ok(now) = serde_json::from_str::<Operation>(&event.data) {
                            printer.steps(self, &now);
                            printer.components(self, &now);
                            operation = now;
                        }
                    }
                    "log" => {
                        if let Ok(entry) = serde_json::from_str::<OperationLogEntry>(&event.data) {
                            printer.log(self, &entry);
                        }
                    }
                    "end" => return Ok(operation),
                    _ => {}
                }
            }
            if operation.is_over() {
                return Ok(operation);
            }
            failures += 1;
            if failures > 60 {
                return Err(problem::SERVER_UNREACHABLE.problem(
                    "The connection broke off and did not come back.",
                    format!(
                        "The operation goes on: `pluvio operation show {}`.",
                        operation.id
                    ),
                ));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

/// What was printed already.
#[derive(Debug, Default)]
struct Printer {
    seen: Vec<(StepName, StepState, String)>,
    /// What each step had taken when it was last told of: it takes its time once for each component.
    taken: BTreeMap<StepName, u64>,
    /// Components, where there are several.
    components: Vec<ComponentProgress>,
}

impl Printer {
    fn steps(&mut self, context: &Context, operation: &Operation) {
        for step in &operation.steps {
            let known = self.seen.iter().position(|(name, ..)| *name == step.name);
            let changed = known
                .is_none_or(|at| self.seen[at].1 != step.state || self.seen[at].2 != step.note);
            if !changed {
                continue;
            }
            let was = known.map(|at| self.seen[at].1);
            let row = (step.name, step.state, step.note.clone());
            match known {
                Some(at) => self.seen[at] = row,
                None => self.seen.push(row),
            }
            if context.out.json || context.out.quiet {
                continue;
            }
            let took = match (step.started_at, step.ended_at) {
                (Some(from), Some(to)) => {
                    let all = u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0);
                    let before = self.taken.insert(step.name, all).unwrap_or(0);
                    span(all.saturating_sub(before))
                }
                _ => String::new(),
            };
            let name = format!("{:<8}", format!("{:?}", step.name));
            match step.state {
                StepState::Running if was != Some(StepState::Running) || context.out.verbose => {
                    context.out.say(format!(
                        "{} {name} {}",
                        context.out.paint(Tone::Accent, "…"),
                        step.note
                    ));
                }
                StepState::Done => context.out.say(format!(
                    "{} {name} {:<44} {}",
                    context.out.paint(Tone::Good, "✓"),
                    step.note,
                    context.out.paint(Tone::Faint, took)
                )),
                StepState::Failed => context.out.say(format!(
                    "{} {name} {}",
                    context.out.paint(Tone::Bad, "✗"),
                    step.note
                )),
                _ => {}
            }
        }
    }

    /// A line for each component whose state changed; one alone is what the steps tell of.
    fn components(&mut self, context: &Context, operation: &Operation) {
        if operation.components.len() < 2 {
            return;
        }
        for now in &operation.components {
            let known = self
                .components
                .iter_mut()
                .find(|known| known.component == now.component);
            let changed = known.as_ref().is_none_or(|known| known.state != now.state);
            match known {
                Some(known) => known.clone_from(now),
                None => self.components.push(now.clone()),
            }
            if changed && !context.out.json && !context.out.quiet {
                context
                    .out
                    .say(format!("    {}", component_line(context, now)));
            }
        }
    }

    fn log(&mut self, context: &Context, entry: &OperationLogEntry) {
        if context.out.json || context.out.quiet {
            return;
        }
        let tone = match entry.level.as_str() {
            "error" => Tone::Bad,
            "warning" => Tone::Warn,
            "command" => Tone::Strong,
            _ => Tone::Faint,
        };
        context
            .out
            .say(format!("    {}", context.out.paint(tone, &entry.text)));
    }
}

pub(crate) async fn show(context: &Context, id: &str) -> Done {
    let operation: Operation = context
        .client()?
        .get(&format!(
            "/api/v1/operations/{}",
            crate::context::escape(id)
        ))
        .await?;
    if context.out.json {
        context.out.document(&operation);
        return Ok(());
    }
    print(context, &operation);
    Ok(())
}

pub(crate) async fn follow_one(context: &Context, id: &str) -> Done {
    let operation: Operation = context
        .client()?
        .get(&format!(
            "/api/v1/operations/{}",
            crate::context::escape(id)
        ))
        .await?;
    let ended = context.finish(operation).await?;
    if context.out.json {
        context.out.document(&ended);
    }
    Ok(())
}

pub(crate) async fn cancel(context: &Context, id: &str) -> Done {
    let operation: Operation = context
        .client()?
        .post(
            &format!("/api/v1/operations/{}/cancel", crate::context::escape(id)),
            &(),
        )
        .await?;
    if context.out.json {
        context.out.document(&operation);
    } else {
        context.out.line(format!(
            "Cancelling {}. What ran before runs on.",
            operation.title
        ));
    }
    Ok(())
}

fn component_line(context: &Context, component: &ComponentProgress) -> String {
    let (mark, tone) = match component.state {
        StepState::Done => ("✓", Tone::Good),
        StepState::Failed => ("✗", Tone::Bad),
        StepState::Running => ("…", Tone::Accent),
        StepState::Waiting | StepState::Skipped => ("·", Tone::Faint),
    };
    format!(
        "{} {:<16} {}",
        context.out.paint(tone, mark),
        component.component,
        component.note
    )
}

fn print(context: &Context, operation: &Operation) {
    let out = &context.out;
    out.line(format!(
        "{}  {}",
        out.paint(Tone::Strong, &operation.title),
        operation.id
    ));
    out.line(format!(
        "asked by {}, {}",
        operation.actor,
        crate::output::ago(operation.asked_at)
    ));
    for step in &operation.steps {
        let took = match (step.started_at, step.ended_at) {
            (Some(from), Some(to)) => {
                span(u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0))
            }
            _ => String::new(),
        };
        let state = format!("{:?}", step.state).to_lowercase();
        out.line(format!(
            "  {:<8} {state:<8} {took:>9}  {}",
            format!("{:?}", step.name),
            step.note
        ));
    }
    for component in &operation.components {
        out.line(format!("    {}", component_line(context, component)));
    }
    if let Some(hindrance) = &operation.hindrance {
        out.line(out.paint(Tone::Warn, format!("hindered: {}", hindrance.title)));
        out.line(format!("  {}", hindrance.cause));
        out.line(format!("  → {}", hindrance.remedy));
    }
    match &operation.outcome {
        None => out.line("running"),
        Some(Outcome::Succeeded) => out.line(out.paint(Tone::Good, "succeeded")),
        Some(Outcome::Cancelled) => out.line("cancelled"),
        Some(Outcome::Superseded { .. }) => out.line("superseded by a later deploy"),
        Some(Outcome::Failed { problem }) => {
            out.line(out.paint(Tone::Bad, format!("failed: {}", problem.title)));
            out.line(format!("  {}", problem.cause));
            for line in &problem.evidence {
                out.line(format!("    {line}"));
            }
            out.line(format!("  → {}", problem.remedy));
        }
    }
}
