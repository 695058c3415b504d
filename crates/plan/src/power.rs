//! Stopping and starting: of the whole application, or of some of its components.

use pluvio_model::name::Name;
use pluvio_model::problem::{NOT_FOUND, Problem};
use pluvio_model::release::Release;
use pluvio_model::stage::Power;

/// Whether an application is on, and which of its components are stopped while it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switched {
    pub power: Power,
    pub stopped: Vec<Name>,
}

/// What it becomes when the chosen components (all when none is named) are switched `to`. An application of which every
/// component is stopped is off; one that was off and of which some are started has the others stopped.
pub fn switch(
    release: &Release,
    now: &Switched,
    to: Power,
    chosen: &[Name],
) -> Result<Switched, Problem> {
    known(release, chosen)?;
    if chosen.is_empty() {
        return Ok(Switched {
            power: to,
            stopped: Vec::new(),
        });
    }
    let is_off = |name: &Name| now.power == Power::Off || now.stopped.contains(name);
    let stopped: Vec<Name> = release
        .components
        .keys()
        .filter(|name| match chosen.contains(name) {
            true => to == Power::Off,
            false => is_off(name),
        })
        .cloned()
        .collect();
    Ok(match stopped.len() == release.components.len() {
        true => Switched {
            power: Power::Off,
            stopped: Vec::new(),
        },
        false => Switched {
            power: Power::On,
            stopped,
        },
    })
}

/// Refuses names that are none of the application's components.
pub fn known(release: &Release, chosen: &[Name]) -> Result<(), Problem> {
    let Some(unknown) = chosen
        .iter()
        .find(|name| !release.components.contains_key(*name))
    else {
        return Ok(());
    };
    let names: Vec<&str> = release.components.keys().map(Name::as_str).collect();
    Err(NOT_FOUND.problem(
        format!("{} has no component {unknown}.", release.application_name),
        format!("Its components are: {}.", names.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn some_are_stopped_while_the_others_run() {
        let release = sample::release(json!({
            "web": { "image": "localhost/web:1" },
            "worker": { "image": "localhost/worker:1" },
            "db": { "image": "localhost/db:1" },
        }));
        let step = |now: &Switched, to, chosen: &[&str]| {
            switch(&release, now, to, &names(chosen)).unwrap()
        };
        let on = Switched {
            power: Power::On,
            stopped: Vec::new(),
        };
        let one = step(&on, Power::Off, &["worker"]);
        assert_eq!((one.power, &one.stopped), (Power::On, &names(&["worker"])));
        assert_eq!(
            step(&one, Power::Off, &["worker"]),
            one,
            "again is the same"
        );
        // All of them one after another is the whole.
        let off = step(&step(&one, Power::Off, &["db"]), Power::Off, &["web"]);
        assert_eq!((off.power, &off.stopped), (Power::Off, &names(&[])));
        // One of an application that is off: the others stay off.
        let web = step(&off, Power::On, &["web"]);
        assert_eq!(
            (web.power, &web.stopped),
            (Power::On, &names(&["worker", "db"]))
        );
        assert_eq!(step(&web, Power::On, &[]), on);
        assert_eq!(step(&web, Power::Off, &[]), off);

        let unknown = switch(&release, &on, Power::Off, &names(&["wrker"])).unwrap_err();
        assert_eq!(unknown.cause, "shop has no component wrker.");
    }
}
