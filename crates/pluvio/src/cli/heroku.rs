//! Habits of Heroku's command line that mean something else here: they are written as they are here before they are read.

use std::ffi::OsString;

/// The words as they are typed, in our form: `logs -t` and `logs --tail` follow, `-d web.1` and `-p web` name a component.
pub(crate) fn as_here(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let words: Vec<OsString> = words.into_iter().collect();
    let is_logs = words
        .iter()
        .skip(1)
        .find(|word| !starts_with_dash(word))
        .is_some_and(|word| word == "logs");
    if !is_logs {
        return words;
    }
    let mut out: Vec<OsString> = Vec::with_capacity(words.len());
    let mut after = false;
    for (index, word) in words.iter().enumerate() {
        after |= word == "logs";
        let text = word.to_str().unwrap_or_default();
        let next = words.get(index + 1);
        let alone = next.is_none_or(starts_with_dash);
        match text {
            // With a word behind it, it is ours: a team, a number of lines.
            "-t" | "--tail" if after && alone => out.push("--follow".into()),
            "--num" if after => out.push("--tail".into()),
            "-d" | "-p" | "--dyno" | "--ps" | "--process-type" if after => {
                out.push("--component".into())
            }
            _ => match (
                after,
                text.strip_prefix("--dyno=").or(text.strip_prefix("--ps=")),
            ) {
                (true, Some(name)) => out.push(format!("--component={}", process_of(name)).into()),
                _ if after && out.last().is_some_and(|last| last == "--component") => {
                    out.push(process_of(text).into());
                }
                _ => out.push(word.clone()),
            },
        }
    }
    out
}

/// `web.1` is an instance of `web`.
fn process_of(dyno: &str) -> &str {
    match dyno.rsplit_once('.') {
        Some((process, number)) if number.bytes().all(|b| b.is_ascii_digit()) => process,
        _ => dyno,
    }
}

fn starts_with_dash(word: &OsString) -> bool {
    word.to_str().is_some_and(|word| word.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use crate::commands::scale::ScaleArgs;
    use clap::Parser;

    use super::super::{Cli, Command, ConfigCommand};
    use super::*;

    fn parse(line: &str) -> Cli {
        let words = std::iter::once("pluvio").chain(line.split(' '));
        Cli::try_parse_from(as_here(words.map(OsString::from)))
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn what_heroku_users_type_is_understood() {
        let Command::Logs(logs) = parse("logs -t -a shop").command else {
            panic!()
        };
        assert!(logs.follow);
        let Command::Logs(logs) = parse("logs --tail").command else {
            panic!()
        };
        assert!(logs.follow);
        let Command::Logs(logs) = parse("logs -n 50 --ps web.2 -t").command else {
            panic!()
        };
        assert_eq!(
            (logs.tail, logs.component.as_deref(), logs.follow),
            (50, Some("web"), true)
        );
        let cli = parse("logs -t other --tail 20");
        assert_eq!(cli.global.team, "other");
        let Command::Logs(logs) = cli.command else {
            panic!()
        };
        assert_eq!((logs.tail, logs.follow), (20, false));

        assert!(matches!(parse("ps -a shop").command, Command::Status));
        let Command::Scale(ScaleArgs { instances, .. }) =
            parse("ps:scale web=2 worker=1 -a shop").command
        else {
            panic!()
        };
        assert_eq!(instances, ["web=2", "worker=1"]);
        let Command::Scale(ScaleArgs { instances, .. }) = parse("ps:scale").command else {
            panic!()
        };
        assert!(instances.is_empty());
        assert!(matches!(
            parse("config").command,
            Command::Config { command: None }
        ));
        assert!(
            matches!(parse("config:set A=1 B=2").command, Command::ConfigSet(args) if args.pairs.len() == 2)
        );
        assert!(
            matches!(parse("config:get A").command, Command::ConfigGet(args) if args.name == "A")
        );
        assert!(matches!(
            parse("config get A").command,
            Command::Config {
                command: Some(ConfigCommand::Get(_))
            }
        ));
        assert!(matches!(
            parse("config:unset A").command,
            Command::ConfigUnset(_)
        ));
        assert!(matches!(
            parse("releases").command,
            Command::Releases { command: None }
        ));
        assert!(
            matches!(parse("releases:rollback v12").command, Command::Rollback { to: Some(to) } if to == "v12")
        );
        let Command::Exec(run) = parse("run -a shop rails db:migrate --trace").command else {
            panic!()
        };
        assert_eq!(run.command, ["rails", "db:migrate", "--trace"]);
        let Command::Exec(run) = parse("exec --component web -- ls -l").command else {
            panic!()
        };
        assert_eq!(
            (run.component.as_deref(), run.command.join(" ")),
            (Some("web"), "ls -l".to_owned())
        );
        let Command::Exec(run) = parse("run bash").command else {
            panic!()
        };
        assert_eq!(run.command, ["bash"]);
    }
}
