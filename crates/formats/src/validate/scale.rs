//! `scale`: whether its bounds make sense, and whether what it goes by can be measured.

use pluvio_model::clock;
use pluvio_model::spec::{ComponentSpec, Kind, ScaleSpec};

use super::component::kind_word;
use super::{Found, cron};

/// As many as a cluster takes.
const MOST: u32 = 10_000;

pub(super) fn check(path: &str, component: &ComponentSpec, found: &mut Found) {
    let Some(scale) = &component.scale else {
        return;
    };
    let at = format!("{path}.scale");
    if !matches!(component.kind, Kind::Service | Kind::Stateful) {
        let word = kind_word(component.kind);
        found.conflict(
            at,
            format!("A component of kind {word} does not scale by itself."),
            "Remove `scale`; services and stateful components have it.",
        );
        return;
    }
    if component.instances.is_some() {
        found.conflict(
            format!("{path}.instances"),
            "It has `instances` and `scale`, and only one of them can say how many there are.",
            "Remove `instances`: it begins with `scale.min`.",
        );
    }
    bounds(&at, scale, found);
    figures(&at, component, scale, found);
    times(&at, scale, found);
}

fn bounds(at: &str, scale: &ScaleSpec, found: &mut Found) {
    if scale.min == 0 {
        found.invalid(
            format!("{at}.min"),
            "With no instance there is nothing to measure, and nobody answers.",
            "Write 1 or more; `pluvio stop` ends all.",
        );
    }
    if scale.most() > MOST {
        found.invalid(
            at,
            format!(
                "{} instances are more than any cluster takes.",
                scale.most()
            ),
            "Choose at most 10000.",
        );
    }
    match (scale.max, scale.is_measured()) {
        (None, true) => found.invalid(
            at,
            "It says what to go by, and not how many instances there may be at most.",
            "Add `max: …`.",
        ),
        (Some(max), true) if max < scale.min => found.conflict(
            format!("{at}.max"),
            format!("It is less than `min`, {}.", scale.min),
            "Write `min` or more.",
        ),
        (Some(_), false) => found.conflict(
            format!("{at}.max"),
            "Nothing takes the number beyond `min`: it names no figure to go by.",
            "Add `cpu: 70`, `memory: 80` or `custom: […]`, or remove `max`.",
        ),
        _ => {}
    }
    if !scale.is_measured() && scale.schedule.is_empty() {
        found.invalid(
            at,
            "It names neither a figure to go by nor a time, so the number never changes.",
            format!(
                "Add `cpu: 70`, `memory: 80`, `custom: […]` or `schedule: […]`, or write `instances: {}` instead.",
                scale.min
            ),
        );
    }
}

fn figures(at: &str, component: &ComponentSpec, scale: &ScaleSpec, found: &mut Found) {
    let resources = component.resources.clone().unwrap_or_default();
    let cpu = resources.cpu.unwrap_or_default();
    let memory = resources.memory.unwrap_or_default();
    for (key, percent, asks, example) in [
        (
            "cpu",
            scale.cpu,
            cpu.request.is_some() || cpu.limit.is_some(),
            "cpu: { request: 250m }",
        ),
        (
            "memory",
            scale.memory,
            memory.request.is_some() || memory.limit.is_some(),
            "memory: { limit: 256Mi }",
        ),
    ] {
        let Some(percent) = percent else { continue };
        if !(1..=1000).contains(&percent) {
            found.invalid(
                format!("{at}.{key}"),
                format!("{percent} per cent is no share to aim at."),
                "Write a number from 1 to 1000, such as 70.",
            );
        }
        if !asks {
            found.invalid(
                format!("{at}.{key}"),
                format!(
                    "It is per cent of the {key} that an instance asks for, and it asks for none."
                ),
                format!("Add `resources: {{ {example} }}`."),
            );
        }
    }
    for (index, custom) in scale.custom.iter().enumerate() {
        let at = format!("{at}.custom[{index}]");
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:|".contains(&byte);
        if custom.metric.is_empty() || !custom.metric.bytes().all(good) {
            found.invalid(
                format!("{at}.metric"),
                format!("`{}` is not the name of a metric.", custom.metric),
                "Write it as the metrics API tells it, such as `http_requests_per_second`.",
            );
        }
        if !is_quantity(&custom.per_instance) {
            found.invalid(
                format!("{at}.perInstance"),
                format!("`{}` is not a number to aim at.", custom.per_instance),
                "Write one above nothing: `100`, `2.5`, `500m` (thousandths), `10k`.",
            );
        }
        let twice = scale.custom[..index].iter().any(|before| {
            (&before.metric, before.of, &before.labels)
                == (&custom.metric, custom.of, &custom.labels)
        });
        if twice {
            found.conflict(
                &at,
                format!("`{}` is named twice.", custom.metric),
                "Keep one of them.",
            );
        }
    }
}

/// A positive number as Kubernetes writes quantities.
fn is_quantity(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let known = ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"].contains(&unit);
    known
        && number.parse::<f64>().is_ok_and(|number| number > 0.0)
        && !number.starts_with('.')
        && !number.ends_with('.')
}

fn times(at: &str, scale: &ScaleSpec, found: &mut Found) {
    for (index, time) in scale.schedule.iter().enumerate() {
        let at = format!("{at}.schedule[{index}]");
        if let Err(why) = cron::check(&time.cron) {
            found.invalid(
                format!("{at}.cron"),
                format!("`{}` is not a schedule: {why}.", time.cron),
                "Write five fields: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7).",
            );
        }
        if let Some(zone) = time
            .time_zone
            .as_ref()
            .filter(|zone| !clock::is_time_zone(zone))
        {
            found.invalid(
                format!("{at}.timeZone"),
                format!("`{zone}` is not a time zone's name."),
                "Write one as in the time zone database: Europe/Berlin, Asia/Shanghai, UTC.",
            );
        }
        if time.min.is_none() && time.max.is_none() {
            found.invalid(
                &at,
                "It changes neither `min` nor `max`.",
                "Add `min: …`, `max: …` or both, or remove it.",
            );
        }
        if time.min == Some(0) {
            found.invalid(
                format!("{at}.min"),
                "With no instance there is nothing to measure, and nobody answers.",
                "Write 1 or more; `pluvio stop` ends all.",
            );
        }
        if time.max.is_some() && !scale.is_measured() {
            found.conflict(
                format!("{at}.max"),
                "Nothing takes the number beyond `min`: `scale` names no figure to go by.",
                "Write `min: …` here, or add `cpu: 70`, `memory: 80` or `custom: […]` to `scale`.",
            );
            continue;
        }
        let (min, max) = (time.min.unwrap_or(scale.min), time.max.or(scale.max));
        if let Some(max) = max.filter(|max| scale.is_measured() && *max < min) {
            found.conflict(
                &at,
                format!("From then on there would be at least {min} and at most {max} instances."),
                "Write both, the smaller one as `min`.",
            );
        }
    }
}
