//! Programs that come to an end.

use std::time::{Duration, Instant};

use pluvio_api::applications::{Page, RunStarted};
use pluvio_model::observed::{ObservedRun, RunKind, RunState};
use pluvio_model::problem::{self, Problem};

use super::Done;
use crate::context::{Context, escape};
use crate::output::{Tone, ago, span};

/// Between two looks at a run that is waited for.
const LOOK: Duration = Duration::from_millis(500);

async fn of(context: &Context, component: Option<&str>) -> Result<Vec<ObservedRun>, Problem> {
    let of = component.map(|name| format!("?component={}", escape(name)));
    let path = format!("{}/runs{}", context.app_path()?, of.unwrap_or_default());
    let page: Page<ObservedRun> = context.client()?.get(&path).await?;
    Ok(page.items)
}

pub(crate) async fn list(context: &Context, component: Option<&str>) -> Done {
    let runs = of(context, component).await?;
    if context.out.json {
        context.out.document(&runs);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            vec![
                run.component.to_string(),
                kind(run.kind).to_owned(),
                state(context, run),
                run.scheduled_at.or(run.started_at).map_or("-".into(), ago),
                took(run),
                format!("r{}", run.release),
                run.instance.clone(),
            ]
        })
        .collect();
    context.out.table(
        &[
            "COMPONENT",
            "WHY",
            "STATE",
            "WHEN",
            "TOOK",
            "RELEASE",
            "LOGS BY",
        ],
        &rows,
    );
    Ok(())
}

fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Release => "release",
        RunKind::Job => "job",
        RunKind::Schedule => "schedule",
        RunKind::Asked => "asked",
    }
}

fn state(context: &Context, run: &ObservedRun) -> String {
    let (word, tone) = match run.state {
        RunState::Waiting => ("waiting".to_owned(), Tone::Faint),
        RunState::Running => ("running".to_owned(), Tone::Accent),
        RunState::Succeeded => ("succeeded".to_owned(), Tone::Good),
        RunState::Failed => {
            let code = run.exit.as_ref().map(|exit| format!(" ({})", exit.code));
            (format!("failed{}", code.unwrap_or_default()), Tone::Bad)
        }
        RunState::Unknown => ("unknown".to_owned(), Tone::Warn),
        RunState::Skipped => (
            "skipped: the one before was at work".to_owned(),
            Tone::Faint,
        ),
    };
    context.out.paint(tone, word)
}

fn took(run: &ObservedRun) -> String {
    let (Some(from), Some(to)) = (run.started_at, run.ended_at) else {
        return "-".to_owned();
    };
    let millis = to.duration_since(from).as_millis();
    span(u64::try_from(millis).unwrap_or(0))
}

pub(crate) async fn trigger(context: &Context, component: &str) -> Done {
    let path = format!(
        "{}/components/{}/runs",
        context.app_path()?,
        escape(component)
    );
    let started: RunStarted = context.client()?.post(&path, &()).await?;
    if context.global.no_wait {
        match context.out.json {
            true => context.out.document(&started),
            false => context.out.line(format!(
                "It runs; `pluvio runs {component}` shows how it ends."
            )),
        }
        return Ok(());
    }
    let limit = context.global.timeout.map(|limit| limit.duration());
    let since = Instant::now();
    loop {
        let runs = of(context, Some(component)).await?;
        let run = runs.into_iter().find(|run| run.key == started.key);
        let run = run.ok_or_else(|| {
            problem::NOT_FOUND.problem(
                "The run is not known any more.",
                "Run it again; the application may have been deleted.",
            )
        })?;
        if run.state.is_over() {
            return ended(context, &run);
        }
        if limit.is_some_and(|limit| since.elapsed() > limit) {
            return Err(problem::TIMED_OUT.problem(
                format!("{component} is still at work."),
                "It goes on; `pluvio runs` shows how it ends.",
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn ended(context: &Context, run: &ObservedRun) -> Done {
    if context.out.json && run.state == RunState::Succeeded {
        context.out.document(run);
        return Ok(());
    }
    let lines = run
        .exit
        .iter()
        .flat_map(|exit| exit.last_lines.iter().cloned());
    if run.state == RunState::Succeeded {
        lines.for_each(|line| context.out.line(line));
        return Ok(());
    }
    Err(match &run.problem {
        Some(problem) => problem.clone(),
        None => problem::RELEASE_TASK.problem(
            format!(
                "{} ended with exit code {}.",
                run.component,
                run.exit.as_ref().map_or(-1, |exit| exit.code)
            ),
            "Its last lines say why; `pluvio logs` has all of them.",
        ),
    }
    .evidence(lines))
}
