//! The image of a database: of the configured registry, else made from the distribution's packages.

use std::sync::Arc;
use std::time::Instant;

use pluvio_build::plan::{Base, BaseName};
use pluvio_build::{BaseOrigin, LogEntry};
use pluvio_model::facts::ImageAtHand;
use pluvio_model::image::{ImageReference, InvalidImage};
use pluvio_model::operation::{StepName, StepState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{Database, DatabaseEngine};
use pluvio_store::Application;
use tokio::sync::mpsc;

use crate::Control;
use crate::worker::Note;

/// The image, shown as the step in which images are had. Making one takes about a minute, once.
pub(crate) async fn image(
    control: &Control,
    application: &Application,
    database: &Database,
    say: &mpsc::UnboundedSender<Note>,
) -> Result<ImageAtHand, Problem> {
    let step = |state, note: String| {
        let _ = say.send(Note::Build(LogEntry::Step {
            name: StepName::Pull,
            state,
            note,
        }));
    };
    let started = Instant::now();
    step(StepState::Running, database.to_string());
    let name = match database.engine {
        DatabaseEngine::Postgres => BaseName::Postgres,
        DatabaseEngine::Redis => BaseName::Redis,
        DatabaseEngine::Mariadb => BaseName::Mariadb,
    };
    let base = Base::new(name, Some(database.version()));
    let builder = &control.inner.builder;
    let credential = match builder.base_in_registry(&base) {
        Some(reference) => control
            .registry_credential(application.team, &reference)
            .await?
            .map(|credential| (reference.registry().to_owned(), credential)),
        None => None,
    };
    let lines = say.clone();
    let log: pluvio_build::Log = Arc::new(move |entry| {
        let _ = lines.send(Note::Build(entry));
    });
    let image = builder.base(&base, credential.as_slice(), &log).await?;
    let reference = image
        .reference
        .parse::<ImageReference>()
        .map_err(|e: InvalidImage| problem::INTERNAL.problem(e.to_string(), "Please report it."))?;
    let note = match image.origin {
        BaseOrigin::AtHand => format!("{reference} is at hand"),
        BaseOrigin::Pulled | BaseOrigin::Made => {
            format!("{reference}, {:.1} s", started.elapsed().as_secs_f32())
        }
    };
    step(StepState::Done, note);
    Ok(ImageAtHand {
        reference,
        facts: image.facts,
        built: None,
    })
}
