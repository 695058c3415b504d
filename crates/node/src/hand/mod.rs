//! The hand that reaches into a volume: this program, run in a container that holds nothing but the volume and itself.
//!
//! A node may not be able to read what the engine keeps, and must not follow what an application put there. So whatever is done
//! with a volume's files is done by `pluvio hand` inside a container without network, with a root that cannot be written, and
//! with no more rights than reading any owner's files takes; and there still, [`tree`] follows no link and goes up nowhere.
//!
//! `hand wait SECONDS` is the container's first process, which ends when nobody asked for anything for so long; `hand do` does one
//! [`HandVerb`]; `hand copy` copies one volume into another. The node's side is `crate::hands`.

mod copy;
mod tree;

use std::ffi::OsString;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pluvio_model::files::{FileEntry, FileKind, Measured};
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::HandVerb;
use pluvio_runtime::hand::{FROM, TO, VOLUME};
use serde::Serialize;

/// How much of a file is read or written at once.
const CHUNK: usize = 256 << 10;

/// What `pluvio hand …` does. Returns when it is done; the exit code tells whether it went well.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["wait", seconds] => {
            wait(Duration::from_secs(seconds.parse().unwrap_or(60)));
            ExitCode::SUCCESS
        }
        ["do", verb] => {
            let done = serde_json::from_str(verb)
                .map_err(|error| {
                    problem::REQUEST_INVALID.problem(
                        format!("What is to be done cannot be read: {error}."),
                        "Control and node may be of different versions: `pluvio up` starts both anew.",
                    )
                })
                .and_then(|verb| act(Path::new(VOLUME), &verb, io::stdin().lock(), io::stdout()));
            match done {
                Ok(()) => ExitCode::SUCCESS,
                Err(problem) => {
                    let text = serde_json::to_string(&problem).expect("a problem serialises");
                    let _ = io::stderr().write_all(text.as_bytes());
                    ExitCode::FAILURE
                }
            }
        }
        ["copy"] => copy::run(Path::new(FROM), Path::new(TO)),
        _ => ExitCode::FAILURE,
    }
}

/// Waits as long as somebody asks for something now and then. What is asked runs beside it, in the same container.
fn wait(idle: Duration) {
    let own = std::process::id().to_string();
    let mut last = Instant::now();
    while last.elapsed() < idle {
        std::thread::sleep(Duration::from_secs(1));
        let others = std::fs::read_dir("/proc").map(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name != own.as_str() && name.bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        if others.unwrap_or(true) {
            last = Instant::now();
        }
    }
}

/// Does one thing in the volume at `root`.
pub(crate) fn act(
    root: &Path,
    verb: &HandVerb,
    mut input: impl Read,
    output: impl Write,
) -> Result<(), Problem> {
    let mut output = BufWriter::with_capacity(CHUNK, output);
    let tree = tree::Tree::open(root)?;
    match verb {
        HandVerb::List { path, limit } => say(&mut output, &tree.list(path, *limit)?)?,
        HandVerb::Read { path, most } => {
            let (entry, found) = tree.find(path)?;
            match entry.kind {
                FileKind::File => {
                    let mut file = tree.read(path, &found)?;
                    say(&mut output, &entry)?;
                    let most = most.unwrap_or(u64::MAX).min(entry.size);
                    // No more than was announced, though the file may grow meanwhile.
                    io::copy(&mut (&mut file).take(most), &mut output)
                        .map_err(|error| tree::failed("read", path, &error))?;
                }
                FileKind::Folder => {
                    say(&mut output, &entry)?;
                    tree.archive(path, &mut output)?;
                }
                FileKind::Link => return Err(tree::is_link(path, entry.target.as_deref())),
                FileKind::Other => return Err(tree::is_special(path)),
            }
        }
        HandVerb::Write {
            path,
            length,
            replace,
        } => {
            let mut content = (&mut input).take(*length);
            let written = tree.write(path, *length, *replace, &mut content);
            if written.is_err() {
                // Whoever sends is heard to the end: an engine loses what is said to one who hangs up.
                let _ = io::copy(&mut content, &mut io::sink());
            }
            say(&mut output, &written?)?;
        }
        HandVerb::MakeFolder { path } => say(&mut output, &tree.make_folder(path)?)?,
        HandVerb::Remove { path, recursive } => {
            let entry: FileEntry = tree.remove(path, *recursive)?;
            say(&mut output, &entry)?;
        }
        HandVerb::Measure => {
            let measured: Measured = tree.measure()?;
            say(&mut output, &measured)?;
        }
    }
    output
        .flush()
        .map_err(|error| tree::failed("answer about", "the volume", &error))
}

fn say(output: &mut impl Write, what: &impl Serialize) -> Result<(), Problem> {
    let mut line = serde_json::to_vec(what).expect("answers serialise");
    line.push(b'\n');
    output
        .write_all(&line)
        .map_err(|error| tree::failed("answer about", "the volume", &error))
}

#[cfg(test)]
mod tests;
