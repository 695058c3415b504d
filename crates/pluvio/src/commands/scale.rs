//! `pluvio scale`: how many instances, by hand or by themselves.

use clap::Args;
use pluvio_api::applications::{ApplicationDetail, ComponentDetail, ScaleRequest};
use pluvio_model::operation::Operation;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::ScaleSpec;

use super::Done;
use crate::context::Context;

pub(crate) const SCALE: &str = "What no option names stays; custom figures and times are written in app.yaml.\n\nExamples:\n  pluvio scale 3\n  pluvio scale web=3 worker=1\n  pluvio scale web --min 2 --max 10 --cpu 70\n  pluvio scale web=3 --fixed";

#[derive(Debug, Args)]
pub(crate) struct ScaleArgs {
    /// N, COMPONENT=N or COMPONENT; how it is when absent
    pub(crate) instances: Vec<String>,
    /// At least so many
    #[arg(long)]
    pub(crate) min: Option<u32>,
    /// At most so many
    #[arg(long)]
    pub(crate) max: Option<u32>,
    /// Per cent of the CPU that an instance asks for; 0: not by CPU any more
    #[arg(long)]
    pub(crate) cpu: Option<u32>,
    /// Per cent of the memory that an instance asks for; 0: not by memory any more
    #[arg(long)]
    pub(crate) memory: Option<u32>,
    /// The number stays from now on
    #[arg(long, conflicts_with_all = ["min", "max", "cpu", "memory"])]
    pub(crate) fixed: bool,
}

pub(crate) async fn scale(context: &Context, args: &ScaleArgs) -> Done {
    let by_itself = [args.min, args.max, args.cpu, args.memory];
    let by_itself = by_itself.iter().any(Option::is_some);
    match args.instances.as_slice() {
        [] if !by_itself && !args.fixed => super::apps::status(context).await,
        [] if by_itself => itself(context, args, None).await,
        [one] if by_itself && !one.contains('=') && one.parse::<u32>().is_err() => {
            itself(context, args, Some(one)).await
        }
        [one] if !by_itself => context.operate("scale", &number(one, args.fixed)?).await,
        [_, _, ..] if !by_itself => several(context, args).await,
        other => Err(wrong(&other.join(" "))),
    }
}

async fn itself(context: &Context, args: &ScaleArgs, component: Option<&str>) -> Done {
    let component = context.component(component).await?;
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    let known = app.components.iter().find(|one| one.name == component);
    let scale = serde_json::to_value(changed(known, args))
        .map_err(|error| problem::INTERNAL.problem(error.to_string(), "Report it."))?;
    let request = ScaleRequest {
        component: Some(component),
        instances: None,
        fixed: false,
        scale: Some(scale),
    };
    context.operate("scale", &request).await
}

/// All are read before one is done.
async fn several(context: &Context, args: &ScaleArgs) -> Done {
    let asked = args.instances.iter().map(|text| number(text, args.fixed));
    let asked = asked.collect::<Result<Vec<_>, _>>()?;
    let mut ended: Vec<Operation> = Vec::new();
    for request in &asked {
        let path = format!("{}/scale", context.app_path()?);
        let operation: Operation = context.client()?.post(&path, request).await?;
        ended.push(context.finish(operation).await?);
    }
    if context.out.json && !context.global.no_wait {
        context.out.document(&ended);
    }
    Ok(())
}

fn number(text: &str, fixed: bool) -> Result<ScaleRequest, Problem> {
    let (component, number) = match text.split_once('=') {
        Some((component, number)) => (Some(component.to_owned()), number),
        None => (None, text),
    };
    Ok(ScaleRequest {
        component,
        instances: Some(number.parse().map_err(|_| wrong(text))?),
        fixed,
        scale: None,
    })
}

fn wrong(text: &str) -> Problem {
    problem::REQUEST_INVALID.problem(
        format!("{text:?} does not say how many instances there shall be."),
        "Write `pluvio scale 3`, `pluvio scale web=3` or `pluvio scale web --min 2 --max 10 --cpu 70`.",
    )
}

/// As it scales itself now, with what the options say.
fn changed(known: Option<&ComponentDetail>, args: &ScaleArgs) -> ScaleSpec {
    let known = known.and_then(|one| one.scale.clone());
    let mut scale = known.unwrap_or_else(|| ScaleSpec {
        min: 1,
        ..ScaleSpec::default()
    });
    scale.min = args.min.unwrap_or(scale.min);
    scale.max = args.max.or(scale.max);
    for (to, option) in [(&mut scale.cpu, args.cpu), (&mut scale.memory, args.memory)] {
        *to = option.or(*to).filter(|percent| *percent > 0);
    }
    if !scale.is_measured() {
        scale.max = args.max;
    }
    scale
}

/// `2 to 10, by cpu 64 % of 70 %`
pub(crate) fn shown(component: &ComponentDetail) -> Option<String> {
    let now = component.scaling.as_ref()?;
    let figures = now.by.iter().map(|one| {
        let seen = one.now.as_deref().unwrap_or("unknown");
        format!("{} {seen} of {}", one.metric, one.target)
    });
    let figures: Vec<String> = figures.collect();
    let mut text = match now.min == now.max {
        true => format!("scales itself: {} now", now.min),
        false => format!("scales itself: {} to {}", now.min, now.max),
    };
    if !figures.is_empty() {
        text += &format!(", by {}", figures.join(", "));
    }
    if let Some(next) = now.next {
        text += &format!("; next by the clock {next}");
    }
    if let Some(problem) = &now.problem {
        text += &format!("\n{}\n{}", problem.cause, problem.remedy);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_option_names_stays_and_nothing_per_cent_is_taken_out() {
        let args = |cpu, memory| ScaleArgs {
            instances: Vec::new(),
            min: Some(2),
            max: None,
            cpu,
            memory,
            fixed: false,
        };
        let before: ScaleSpec = serde_json::from_value(serde_json::json!({
            "min": 1, "max": 10, "cpu": 70, "memory": 80,
        }))
        .unwrap();
        let of = |cpu, memory| {
            let detail = ComponentDetail {
                scale: Some(before.clone()),
                ..serde_json::from_value(serde_json::json!({
                    "name": "web", "kind": "service", "status": "running", "status_note": "",
                    "image": "", "image_id": "", "instances_wanted": 1, "instances": [],
                    "ports": [], "routes": [], "env": [], "files": [], "mounts": [],
                    "resources": {}, "probes": [], "strategy": "surge", "drain_ms": 0,
                }))
                .unwrap()
            };
            changed(Some(&detail), &args(cpu, memory))
        };
        assert_eq!(
            (of(Some(50), None).cpu, of(Some(50), None).memory),
            (Some(50), Some(80))
        );
        assert_eq!(
            (of(None, Some(0)).memory, of(None, Some(0)).max),
            (None, Some(10))
        );
        assert_eq!(changed(None, &args(Some(70), None)).min, 2);
    }
}
