//! What volumes hold, and the programs that carry it over: a copy's container, a database's dump and the restoring of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pluvio_model::files::Measured;
use pluvio_model::problem::REFUSED;
use pluvio_model::spec::DatabaseEngine;
use pluvio_plan::database::{Restore, dump, restore, words};
use pluvio_plan::lower::engine::{VolumePlan, label};
use pluvio_runtime::{Copied, CopyLine, ExecInput, ExecOutput, ExecRequest, ExecSession};

use crate::engine::Engine;

/// What a dump ends with.
const END: &[u8] = b" end";

/// The data of a volume: `of` is which, and what was made anew has other data than everything before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) of: u64,
    /// No half of a copy.
    pub(crate) whole: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Data {
    made: u64,
    /// By the engine's name of the volume.
    held: BTreeMap<String, Held>,
    /// The applications that volumes were made for.
    made_for: BTreeMap<String, String>,
    /// Volumes that a program has seen, but for those that copy.
    mounted: BTreeSet<String>,
    /// Volumes of them that nobody gave up by name, with the applications that they were made for.
    pub(crate) removed: Vec<(String, String)>,
}

impl Data {
    pub(crate) fn ensure(&mut self, volume: &VolumePlan) {
        if self.held.contains_key(&volume.name) {
            return;
        }
        self.made += 1;
        let held = Held {
            of: self.made,
            whole: true,
        };
        self.held.insert(volume.name.clone(), held);
        let of = volume.labels.get(label::APPLICATION).cloned();
        self.made_for
            .insert(volume.name.clone(), of.unwrap_or_default());
    }

    /// `asked`: somebody gave it up by name.
    pub(crate) fn remove(&mut self, name: &str, asked: bool) {
        self.held.remove(name);
        // What no more than a copy that failed has reached is begun anew, by whoever goes on with it.
        if !asked && self.mounted.contains(name) {
            let of = self.made_for.get(name).cloned().unwrap_or_default();
            self.removed.push((name.to_owned(), of));
        }
    }

    pub(crate) fn mount(&mut self, names: &BTreeSet<String>) {
        self.mounted.extend(names.iter().cloned());
    }

    pub(crate) fn of(&self, name: &str) -> Option<&Held> {
        self.held.get(name)
    }

    /// Whether a volume of the application holds no more than a half.
    pub(crate) fn half_of(&self, application: &str) -> Option<&String> {
        let mut halves = self.held.iter().filter(|(_, held)| !held.whole);
        let half =
            halves.find(|(name, _)| self.made_for.get(*name).is_some_and(|of| of == application));
        half.map(|(name, _)| name)
    }

    pub(crate) fn begin(&mut self, target: &str) {
        if let Some(held) = self.held.get_mut(target) {
            held.whole = false;
        }
    }

    /// `target` holds all of it from now on.
    pub(crate) fn end(&mut self, target: &str, of: u64) {
        if let Some(held) = self.held.get_mut(target) {
            *held = Held { of, whole: true };
        }
    }
}

/// What a program does in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Dump,
    Restore,
}

fn inside(request: &ExecRequest) -> Option<Inside> {
    let into = Restore {
        replace: true,
        bytes: None,
    };
    for engine in [
        DatabaseEngine::Postgres,
        DatabaseEngine::Mariadb,
        DatabaseEngine::Redis,
    ] {
        if request.command == words(dump(engine)) {
            return Some(Inside::Dump);
        }
        if request.command == words(&restore(engine, into)) {
            return Some(Inside::Restore);
        }
    }
    None
}

impl Engine {
    pub(crate) fn play_copy(&self, name: &str, source: String, target: &str) {
        let say = |engine: &Engine, line: &CopyLine| {
            let text = serde_json::to_string(line).expect("a line serialises");
            engine.inner.print(name, &text);
        };
        say(self, &CopyLine::Begun(Measured::default()));
        self.data(|data| data.begin(target));
        let well = self.happens(90);
        let after = Duration::from_millis(match self.happens(50) {
            true => 100,
            false => 2500,
        });
        let (engine, made) = (self.clone(), self.id_of(name));
        let (name, target) = (name.to_owned(), target.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if engine.id_of(&name) != made || engine.inner.all().get(&name) != Some(&true) {
                return;
            }
            let of = engine.data(|data| data.of(&source).map(|held| held.of));
            let line = match of.filter(|_| well) {
                Some(of) => {
                    engine.data(|data| data.end(&target, of));
                    CopyLine::Done(Copied::default())
                }
                None => CopyLine::Failed(REFUSED.problem("It was told to fail.", "Copy again.")),
            };
            let text = serde_json::to_string(&line).expect("a line serialises");
            engine.inner.print(&name, &text);
            engine.end(&name, i64::from(!well));
        });
    }

    /// A database's program, where the request is for one.
    pub(crate) fn database_program(&self, request: &ExecRequest) -> Option<ExecSession> {
        let volume = self.only_volume(&request.instance)?;
        Some(match inside(request)? {
            Inside::Dump => self.dump(&volume),
            Inside::Restore => self.pour_into(volume),
        })
    }

    fn dump(&self, volume: &str) -> ExecSession {
        let whole = self.happens(85);
        let of = self.data(|data| data.of(volume).map_or(0, |held| held.of));
        let mut output = vec![ExecOutput::Out(Bytes::from(of.to_string()))];
        if whole {
            output.push(ExecOutput::Out(Bytes::from_static(END)));
        }
        output.push(ExecOutput::Exit(i64::from(!whole)));
        let (input, _) = tokio::sync::mpsc::channel(1);
        ExecSession {
            output: Box::pin(futures::stream::iter(output)),
            input,
        }
    }

    fn pour_into(&self, volume: String) -> ExecSession {
        let (input, mut inputs) = tokio::sync::mpsc::channel(8);
        let engine = self.clone();
        let well = engine.happens(90);
        engine.data(|data| data.begin(&volume));
        let poured = async move {
            let mut all = Vec::new();
            while let Some(ExecInput::Bytes(piece)) = inputs.recv().await {
                all.extend_from_slice(&piece);
            }
            let of = all
                .strip_suffix(END)
                .and_then(|of| std::str::from_utf8(of).ok()?.parse().ok());
            match of {
                Some(of) if well => {
                    engine.data(|data| data.end(&volume, of));
                    ExecOutput::Exit(0)
                }
                _ => ExecOutput::Exit(1),
            }
        };
        ExecSession {
            output: futures::stream::once(poured).boxed(),
            input,
        }
    }
}
