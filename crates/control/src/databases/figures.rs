//! Figures of a database: read when somebody asks, and kept for a moment, so that a page that is looked at by many costs as
//! one. Nothing is asked while nobody looks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pluvio_model::database::DatabaseFigures;
use pluvio_model::problem::Problem;
use pluvio_plan::database::{figures, read_figures};
use pluvio_store::Application;
use tokio::sync::Mutex;

use super::Inside;
use crate::Control;

/// How long what was read is told again.
const FRESH: Duration = Duration::from_secs(5);

type Look = Arc<Mutex<Option<(Instant, DatabaseFigures)>>>;

/// The last look at each database, by its instance. Those who ask at the same time wait for the same look.
#[derive(Debug, Default)]
pub(crate) struct Looks(std::sync::Mutex<HashMap<String, Look>>);

impl Control {
    pub async fn database_figures(
        &self,
        application: &Application,
        inside: &Inside,
    ) -> Result<DatabaseFigures, Problem> {
        let instance = inside.running()?;
        let look = {
            let mut looks = self.inner.looks.0.lock().expect("no panic while held");
            // Instances come and go: what nobody has asked for lately is let go.
            looks.retain(|_, look| {
                look.try_lock().is_err()
                    || look.try_lock().is_ok_and(|look| {
                        look.as_ref()
                            .is_some_and(|(at, _)| at.elapsed() < Duration::from_secs(60))
                    })
            });
            looks.entry(instance.to_owned()).or_default().clone()
        };
        let mut last = look.lock().await;
        if let Some((at, figures)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(figures.clone());
        }
        let engine = inside.database.engine;
        let said = self
            .run_inside(application, inside, &figures(engine), "")
            .await?;
        if said.code != 0 {
            return Err(inside.failed("Its figures cannot be read", &said));
        }
        let mut read = read_figures(engine, &said.out);
        read.at = Some(Timestamp::now());
        *last = Some((Instant::now(), read.clone()));
        Ok(read)
    }
}
