//! `docker run` and `podman run` lines, as people paste them: each becomes a component.
//!
//! A line becomes the service that it would be in a compose file, and goes the same way from there: what is kept, adapted
//! and refused is decided in one place. Rows name flags instead of keys.

use std::collections::HashMap;

use pluvio_model::name::Name;
use pluvio_model::problem;

use crate::compose::item::{Field, Item, Map, Place, Told};
use crate::compose::load::{Loader, Variables};
use crate::compose::{Import, Nothing, Surroundings, convert, merge};
#[cfg(test)]
use crate::report::{Outcome, Row};

mod ansi;
mod apply;
mod flags;
mod lines;
mod network;
mod program;
mod shell;

use apply::{Service, apply, finish};
use flags::Takes;
use program::{is_assignment, run_begins};
use shell::Word;

/// The longest text that is read.
const SIZE_MAX: usize = 256 << 10;

/// Whether a text is such a line, or several.
pub fn is_run(text: &str) -> bool {
    // Notes and commands in files of other formats name such lines, too.
    const OTHERS: [&str; 4] = ["services:", "components:", "apiVersion:", "captainVersion:"];
    let begins = |line: &str| OTHERS.iter().any(|key| line.starts_with(key));
    if text.len() > SIZE_MAX || text.lines().any(begins) {
        return text.len() > SIZE_MAX && program::runs(text.lines().next().unwrap_or_default());
    }
    let ends = text.match_indices('\n').nth(lines::LOOKED_AT);
    let tidied = lines::tidied(&text[..ends.map_or(text.len(), |(at, _)| at)]);
    let mut lines = tidied.text.lines();
    lines.any(|line| !line.starts_with('#') && program::runs(line))
}

/// Reads a pasted text. `name` wins over what the line says; `given` are values for variables of the shell in it.
pub fn read(
    text: &str,
    name: Option<&Name>,
    given: &[(String, String)],
    around: &dyn Surroundings,
) -> Import {
    let mut told = Told {
        files: vec!["the line".to_owned()],
        ..Told::default()
    };
    if text.len() > SIZE_MAX {
        told.error(
            problem::SPEC_TOO_LARGE,
            Place::default(),
            "",
            format!(
                "The text has {} bytes; at most {SIZE_MAX} are read.",
                text.len()
            ),
            "Paste the lines that run something only.",
        );
    }
    let text = text.get(..SIZE_MAX.min(text.len())).unwrap_or_default();
    let tidied = lines::tidied(text);
    let mut shell = match shell::commands(&tidied.text, given, tidied.windows) {
        Ok(read) => read,
        Err((line, why)) => {
            let at = Place {
                line,
                ..Place::default()
            };
            told.invalid(at, "", format!("In line {line} {why}."), "Close the quote.");
            shell::Read::default()
        }
    };
    for (name, _, at) in &shell.set {
        told.adapted(
            *at,
            name,
            "Its value is put in where the lines below name it.",
        );
    }
    let set: Vec<(String, String)> = shell
        .set
        .iter()
        .map(|(name, value, _)| (name.clone(), value.clone()))
        .collect();
    let folder = around.absolute(".");
    let folder = folder.map(|folder| folder.trim_end_matches("/.").to_owned());
    let mut services = Services::default();
    let mut made: Vec<String> = Vec::new();
    let mut redirected = shell.redirected.iter().peekable();
    for (number, command) in shell.commands.iter().enumerate() {
        let plain: Vec<&str> = command.iter().map(|word| word.text.as_str()).collect();
        let Some(start) = run_begins(&plain) else {
            let prompted = &tidied.prompted;
            let is_said =
                prompted.is_empty() || prompted.binary_search(&command[0].at.line).is_ok();
            if is_said
                && let ["docker" | "podman", "network", "create", .., last] =
                    &plain[program::begins(&plain)..]
            {
                made.push((*last).to_owned());
            }
            other_command(command, &plain, is_said, &mut told);
            continue;
        };
        let mut own: Vec<(String, String)> = Vec::new();
        for word in plain[..start].iter() {
            if let Some((name, value)) = word.split_once('=').filter(|_| is_assignment(word)) {
                own.push((name.to_owned(), value.to_owned()));
                told.ignored(command[0].at, name, "It sets a variable of the shell only.");
            } else if word.starts_with('-') {
                let message = "It is for the program that runs the line.";
                told.ignored(command[0].at, word, message);
            }
        }
        while let Some((of, word)) = redirected.next_if(|(of, _)| *of <= number) {
            if *of == number {
                let message =
                    "Input and output are the shell's; what the program prints is kept as its log.";
                told.ignored(word.at, &word.text, message);
            }
        }
        let run = Run {
            unset: &shell.unset,
            own: [&set, &own, given],
            folder: folder.as_deref(),
            at: command[0].at,
        };
        let taken = run.read(&command[start..], &mut services, &mut told);
        shell.used.extend(taken);
    }
    for (name, _) in given.iter().filter(|(name, _)| !shell.used.contains(name)) {
        told.refused(
            Place::default(),
            &format!("--env {name}"),
            format!("No line names a variable {name}, so its value comes to nothing."),
            format!("For a variable of the container write `-e {name}=…` into the line."),
        );
    }
    let mut services = services.map;
    if services.is_empty() && told.errors.is_empty() {
        told.error(
            problem::SOURCE_UNKNOWN,
            Place::default(),
            "",
            "The text holds no line that runs a container.",
            "Paste one such as `docker run -p 8080:80 nginx`.",
        );
    }
    let start = name.cloned().or_else(|| {
        let (first, _) = services.first()?;
        Name::suggest(first)
    });
    let start = start.unwrap_or_else(|| "app".parse().expect("a name"));
    if !told.errors.is_empty() {
        let mut import = Import::empty(start);
        import.report = told.rows;
        import.errors = told.errors;
        import.unset = shell.unset;
        return import;
    }
    let mut loader = Loader::new(around);
    loader.told = told;
    for (service, field) in &mut services {
        merge::service(
            &mut field.item,
            &format!("services.{service}"),
            &mut loader.told,
        );
    }
    let section = |map: Map| Field {
        at: Place::default(),
        item: Item::map(Place::default(), map),
    };
    let networks = network::declared(&services, &made);
    let document = Item::map(
        Place::default(),
        Map::from([
            ("services".to_owned(), section(services)),
            ("networks".to_owned(), section(networks)),
        ]),
    );
    let variables = Variables::default();
    let mut import = convert::convert(
        convert::Input {
            document: &document,
            asked: name.cloned(),
            start,
            profiles: Vec::new(),
            variables: &variables,
            folder: "",
        },
        loader,
    );
    for row in &mut import.report {
        name_flag(&mut row.at);
        row.message = row.message.replace(" at the end of the file", "");
    }
    for problem in &mut import.errors {
        if let Some(at) = &mut problem.at {
            name_flag(&mut at.path);
            match at.path.as_str() {
                "--link" => {
                    problem.remedy =
                        "Paste the line that runs it along, or take the flag out.".into();
                }
                "--env-file" => problem.remedy = "Put it into the folder that you are in.".into(),
                _ => {}
            }
        }
    }
    import.unset = shell.unset;
    import.why = vec![match import.spec.components.len() {
        1 => "It is a line that runs a container.".to_owned(),
        count => format!("It is {count} lines that run containers."),
    }];
    import
}

/// Reads a pasted text that nothing is known around.
pub fn read_alone(text: &str, name: Option<&Name>, given: &[(String, String)]) -> Import {
    read(text, name, given, &Nothing)
}

/// `services.web.shm_size` → `--shm-size`, `networks.app.external` → `--network`
fn name_flag(path: &mut String) {
    let mut parts = path.splitn(3, '.');
    match parts.next() {
        Some("services") => {}
        Some("networks") => {
            "--network".clone_into(path);
            return;
        }
        _ => return,
    }
    let (_, Some(rest)) = (parts.next(), parts.next()) else {
        return;
    };
    let key = match rest.split(['.', '[']).next().unwrap_or(rest) {
        "container_name" => "name",
        "healthcheck" => "health-cmd",
        "logging" => "log-driver",
        "group_add" => "group-add",
        "network_mode" | "networks" => "network",
        key => key,
    };
    if let Some(flag) = flags::ALL.iter().find(|flag| flag.key == key) {
        *path = format!("--{}", flag.long());
    }
}

fn other_command(command: &[Word], plain: &[&str], is_said: bool, told: &mut Told) {
    let at = command[0].at;
    let shown = plain.iter().take(4).copied().collect::<Vec<_>>().join(" ");
    if !is_said {
        told.ignored(at, &shown, "It is what a command printed.");
        return;
    }
    match &plain[program::begins(plain)..] {
        ["docker" | "podman", "network" | "volume", "create", ..] => told.adapted(
            at,
            &shown,
            "The application has a network and volumes of its own: nothing has to be made before.",
        ),
        ["docker" | "podman", "pull", ..] => {
            told.ignored(at, &shown, "Images are pulled on deploy.")
        }
        [
            "docker" | "podman",
            "ps" | "images" | "logs" | "inspect" | "stats" | "version" | "info" | "stop" | "kill"
            | "rm" | "rmi" | "start" | "restart" | "login",
            ..,
        ]
        | ["true" | "echo" | "sleep"] => told.ignored(
            at,
            &shown,
            "It looks at containers, or makes room for one: a deploy replaces what is there.",
        ),
        ["docker" | "podman", "build" | "buildx", ..] => told.refused(
            at,
            &shown,
            "A line runs images that can be pulled; none is built for it.",
            "Deploy the folder itself, `pluvio deploy .`, which builds its Dockerfile.",
        ),
        _ => told.refused(
            at,
            &shown,
            "It runs no container, and is not run here.",
            "Do by hand what it does, if it is needed.",
        ),
    }
}

/// What the lines run, by name.
#[derive(Default)]
struct Services {
    map: Map,
    /// The last number that was put behind each name: a second `web` is `web-2`.
    numbers: HashMap<String, u32>,
}

impl Services {
    fn add(&mut self, plain: String, service: Field) {
        let number = self.numbers.entry(plain.clone()).or_insert(1);
        let mut name = plain.clone();
        while self.map.contains_key(&name) {
            *number += 1;
            name = format!("{plain}-{number}");
        }
        self.map.insert(name, service);
    }
}

/// A command that runs a container.
struct Run<'r> {
    /// Variables of the shell that have no value.
    unset: &'r [String],
    /// Those that have one: of lines above, of the line, given.
    own: [&'r [(String, String)]; 3],
    /// Where the folder lies that they are run in, if that is known.
    folder: Option<&'r str>,
    at: Place,
}

impl Run<'_> {
    /// Puts it among the services. Gives the variables that its flags took.
    fn read(&self, words: &[Word], services: &mut Services, told: &mut Told) -> Vec<String> {
        let mut service = Service {
            map: Map::new(),
            name: None,
            unset: self.unset,
            own: self.own,
            taken: Vec::new(),
            folder: self.folder.map(str::to_owned),
            on_network: Map::new(),
        };
        if let Some(index) = flags_of(words, &mut service, told) {
            self.program(words, index, &mut service, services, told);
        }
        service.taken
    }

    fn program(
        &self,
        words: &[Word],
        index: usize,
        service: &mut Service,
        services: &mut Services,
        told: &mut Told,
    ) {
        let Some(image) = words.get(index) else {
            told.error(
                problem::SOURCE_MISSING,
                self.at,
                "",
                "The line names no image: what follows the flags is the image, and nothing does.",
                "Write the image behind the flags; a flag before it may have taken it for its value.",
            );
            return;
        };
        service.put(
            "image",
            image.at,
            Item::scalar(image.at, image.text.clone()),
        );
        let behind = &words[index + 1..];
        if let Some(word) = behind
            .iter()
            .find(|word| shell::has_one_of(&word.marked, self.unset))
        {
            told.advised(
                word.at,
                "command",
                "The shell would put a variable of its own here; the program gets it as it is written.",
                "Write the value, or give it: `--env NAME=…`.",
            );
        }
        let command: Vec<Item> = behind
            .iter()
            .map(|word| Item::scalar(word.at, word.text.clone()))
            .collect();
        if !command.is_empty() {
            service.put("command", image.at, Item::list(image.at, command));
        }
        let short = image.text.rsplit('/').next().unwrap_or_default();
        let short = short.split([':', '@']).next().unwrap_or_default();
        let plain = service.name.take().unwrap_or_else(|| {
            Name::suggest(short).map_or_else(|| "app".to_owned(), |name| name.to_string())
        });
        finish(service, self.at, told);
        let item = Item::map(self.at, std::mem::take(&mut service.map));
        services.add(plain, Field { at: self.at, item });
    }
}

/// `–d` and `—name`, which web pages make of dashes.
fn dashed(word: &str) -> String {
    let plain = word.trim_start_matches(['-', '\u{2013}', '\u{2014}']);
    if plain.len() == word.len() || !word.contains(['\u{2013}', '\u{2014}']) {
        return word.to_owned();
    }
    let name = plain.split('=').next().unwrap_or(plain);
    let dashes = if flags::long(name).is_some() {
        "--"
    } else {
        "-"
    };
    format!("{dashes}{plain}")
}

/// The flags, and after how many words the image stands; nothing where the line cannot be read.
fn flags_of(words: &[Word], service: &mut Service, told: &mut Told) -> Option<usize> {
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let text = &dashed(&word.marked);
        if text == "--" {
            index += 1;
            break;
        }
        if !text.starts_with('-') || text == "-" {
            break;
        }
        index += 1;
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let Some(flag) = flags::long(name) else {
                let remedy = match crate::suggest::nearest(name, flags::names()) {
                    Some(near) => {
                        // What belongs to the flag that is meant is not the image.
                        let takes = flags::long(near).map(|flag| flag.takes);
                        index += usize::from(value.is_none() && takes == Some(Takes::Value));
                        format!("Did you mean `--{near}`?")
                    }
                    None => "Take it out.".to_owned(),
                };
                told.refused(
                    word.at,
                    &format!("--{}", shell::plain(name)),
                    "There is no such flag.",
                    remedy,
                );
                continue;
            };
            let value = match (flag.takes, value) {
                (_, Some(value)) => value,
                (Takes::Switch, None) => "true".to_owned(),
                (Takes::Value, None) => {
                    let value = words.get(index).map(|word| word.marked.clone());
                    index += 1;
                    match value {
                        Some(value) => value,
                        None => {
                            told.invalid(
                                word.at,
                                text,
                                format!("{text} has no value."),
                                "Write one behind it.",
                            );
                            return None;
                        }
                    }
                }
            };
            apply(flag, &value, word.at, service, told);
            continue;
        }
        // Short ones bundle: `-dit`, `-dp 80:80`, `-p80:80`.
        let mut rest = &text[1..];
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            if letter == shell::LITERAL {
                continue;
            }
            let Some(flag) = flags::short(letter) else {
                told.refused(
                    word.at,
                    &format!("-{letter}"),
                    "There is no such flag.",
                    "Take it out.",
                );
                break;
            };
            if flag.takes == Takes::Switch {
                let off = rest.strip_prefix('=');
                apply(flag, off.unwrap_or("true"), word.at, service, told);
                if off.is_some() {
                    break;
                }
                continue;
            }
            let value = match rest.strip_prefix('=').unwrap_or(rest) {
                "" => {
                    let value = words.get(index).map(|word| word.marked.clone());
                    index += 1;
                    value
                }
                value => Some(value.to_owned()),
            };
            match value {
                Some(value) => apply(flag, &value, word.at, service, told),
                None => {
                    told.invalid(
                        word.at,
                        text,
                        format!("-{letter} has no value."),
                        "Write one behind it.",
                    );
                    return None;
                }
            }
            break;
        }
    }
    Some(index)
}

/// Rows that are refused, for tests.
#[cfg(test)]
fn refused(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .filter(|row| row.outcome == Outcome::Refused)
        .map(|row| row.at.clone())
        .collect()
}

#[cfg(test)]
mod tests;
