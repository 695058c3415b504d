//! Into a database's container.

use bytes::Bytes;
use futures::StreamExt;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::observed::InstanceState;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::DecidedComponent;
use pluvio_model::spec::{Database, DatabaseEngine};
use pluvio_model::template::SecretRef;
use pluvio_plan::database::words;
use pluvio_runtime::{ExecInput, ExecOutput, ExecRequest, ExecSession, RuntimeError, Scope};
use pluvio_store::Application;

use crate::Control;

/// A program's words are kept to this, its end.
const SAID: usize = 8 * 1024;
/// What a list or figures may take.
const ANSWER: usize = 1 << 20;

/// A database component and what it was made with.
#[derive(Debug, Clone)]
pub struct Inside {
    pub name: Name,
    pub database: Database,
    pub component: DecidedComponent,
    /// The instance that answers; `None` while none does.
    pub instance: Option<String>,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i64,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Of a program whose output is data, which nobody is told of.
    pub(crate) fn apart_from_data(code: i64, err: &[u8]) -> Said {
        Said {
            code,
            out: String::new(),
            err: String::from_utf8_lossy(err).into_owned(),
        }
    }
}

impl Inside {
    /// The instance to run a program in.
    pub(crate) fn running(&self) -> Result<&str, Problem> {
        self.instance.as_deref().ok_or_else(|| {
            problem::REFUSED.problem(
                format!("{} does not answer now.", self.name),
                "`pluvio status` tells why; start the application if it is stopped.",
            )
        })
    }

    fn variable(&self, key: &str) -> String {
        let key: Option<EnvName> = key.parse().ok();
        let value = key.and_then(|key| self.component.content.main.env.get(&key));
        value
            .and_then(|value| value.resolve(|_: &SecretRef| None).ok())
            .unwrap_or_else(|| "app".to_owned())
    }

    /// The application's own user, and its database.
    pub fn identity(&self) -> (String, String) {
        match self.database.engine {
            DatabaseEngine::Postgres => {
                (self.variable("POSTGRES_USER"), self.variable("POSTGRES_DB"))
            }
            DatabaseEngine::Mariadb => (
                self.variable("MARIADB_USER"),
                self.variable("MARIADB_DATABASE"),
            ),
            DatabaseEngine::Redis => ("default".to_owned(), "0".to_owned()),
        }
    }

    /// What a program that failed said, as a problem.
    pub(crate) fn failed(&self, what: &str, said: &Said) -> Problem {
        let text = if said.err.trim().is_empty() {
            &said.out
        } else {
            &said.err
        };
        let lines: Vec<String> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.chars().take(300).collect())
            .collect();
        let from = lines.len().saturating_sub(8);
        problem::REFUSED
            .problem(
                format!(
                    "{what}: {} of {} refused.",
                    self.database.engine.title(),
                    self.name
                ),
                "Read what it said below.",
            )
            .evidence(lines.into_iter().skip(from))
    }
}

impl Control {
    /// A database of the application's target, and its instance if one answers.
    pub async fn inside(
        &self,
        application: &Application,
        component: &str,
    ) -> Result<Inside, Problem> {
        let all = self.databases(application).await?;
        let names: Vec<String> = all.iter().map(|one| one.name.to_string()).collect();
        let found = all.into_iter().find(|one| one.name.as_str() == component);
        found.ok_or_else(|| {
            let remedy = match names.is_empty() {
                true => "Add one: `kind: database`, `database: postgres@17`.".to_owned(),
                false => format!("Its databases are: {}.", names.join(", ")),
            };
            let shown: String = component.chars().take(64).collect();
            problem::NOT_FOUND.problem(
                format!("{} has no database called {shown}.", application.name),
                remedy,
            )
        })
    }

    /// The databases of the application's target.
    pub async fn databases(&self, application: &Application) -> Result<Vec<Inside>, Problem> {
        let Some(number) = application.release else {
            return Ok(Vec::new());
        };
        let store = &self.inner.store;
        let release = store.release(application.id, number).await?.release;
        let scope = Scope::Application(application.id);
        // A node that does not answer hides no database; nothing can be done inside, that is all.
        let seen = match self.place(application.cluster) {
            Ok(place) => place.observe(scope).await.ok(),
            Err(_) => None,
        };
        let seen = seen.and_then(|seen| seen.applications.get(&application.id).cloned());
        let mut all = Vec::new();
        for (name, component) in release.components {
            let Some(database) = component.database.clone() else {
                continue;
            };
            let instances = seen.as_ref().and_then(|seen| seen.components.get(&name));
            let instance = instances.and_then(|seen| {
                let mut ready = seen
                    .instances
                    .iter()
                    .filter(|instance| instance.state == InstanceState::Ready);
                ready.next().map(|instance| instance.name.clone())
            });
            all.push(Inside {
                name,
                database,
                component,
                instance,
            });
        }
        Ok(all)
    }

    pub(crate) async fn open(
        &self,
        application: &Application,
        inside: &Inside,
        program: &str,
    ) -> Result<ExecSession, Problem> {
        let request = ExecRequest {
            container: None,
            application: application.id,
            instance: inside.running()?.to_owned(),
            command: words(program),
            tty: false,
            size: None,
        };
        let open = self.place(application.cluster)?.exec(request).await;
        open.map_err(RuntimeError::into_problem)
    }

    /// Runs a program to its end, with this on its standard input.
    pub(crate) async fn run_inside(
        &self,
        application: &Application,
        inside: &Inside,
        program: &str,
        input: &str,
    ) -> Result<Said, Problem> {
        let session = self.open(application, inside, program).await?;
        let sender = session.input.clone();
        let input = Bytes::copy_from_slice(input.as_bytes());
        let feed = async move {
            // Pieces as a pipe takes them.
            for piece in input.chunks(16 * 1024) {
                let piece = Bytes::copy_from_slice(piece);
                if sender.send(ExecInput::Bytes(piece)).await.is_err() {
                    return;
                }
            }
            let _ = sender.send(ExecInput::End).await;
        };
        let (_, said) = futures::join!(feed, listen(session, ANSWER));
        said
    }
}

/// Takes in what a program says until its end.
pub(crate) async fn listen(mut session: ExecSession, most: usize) -> Result<Said, Problem> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Some(item) = session.output.next().await {
        match item {
            ExecOutput::Out(bytes) => {
                if out.len() < most {
                    out.extend_from_slice(&bytes);
                }
            }
            ExecOutput::Err(bytes) => keep_end(&mut err, &bytes, SAID),
            ExecOutput::Exit(code) => {
                return Ok(Said {
                    code,
                    out: String::from_utf8_lossy(&out).into_owned(),
                    err: String::from_utf8_lossy(&err).into_owned(),
                });
            }
        }
    }
    Err(broke_off())
}

/// Appends, and lets go of what is before the last `most` bytes.
pub(crate) fn keep_end(kept: &mut Vec<u8>, bytes: &[u8], most: usize) {
    kept.extend_from_slice(bytes);
    if kept.len() > most * 2 {
        kept.drain(..kept.len() - most);
    }
}

pub(crate) fn broke_off() -> Problem {
    problem::NODE_UNREACHABLE.problem(
        "The connection into the database's container broke off.",
        "Try again; `pluvio status` shows whether the database runs.",
    )
}
