//! Which lines run a container: the program's name, what is put before it, and its own flags.

const PROGRAMS: [&str; 3] = ["docker", "podman", "nerdctl"];

/// The program's own flags that take the next word.
const OWN: [&str; 17] = [
    "-H",
    "--host",
    "-c",
    "--context",
    "--config",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--connection",
    "--identity",
    "--url",
    "--root",
    "--runroot",
    "--namespace",
    "--address",
];

/// `docker`, `/usr/bin/docker`, `docker.exe`
fn is_program(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    PROGRAMS.contains(&name.strip_suffix(".exe").unwrap_or(name))
}

pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    })
}

/// After how many words the program stands: behind `sudo -E`, `time`, `A=1`.
pub(super) fn begins(words: &[&str]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match *word {
            "$" | "%" | ">" | "!" | "if" | "then" | "do" | "time" | "nohup" | "exec"
            | "command" | "env" | "winpty" => at += 1,
            "sudo" | "doas" => {
                at += 1;
                while let Some(flag) = words.get(at).filter(|word| word.starts_with('-')) {
                    at +=
                        1 + usize::from(matches!(*flag, "-u" | "-g" | "-p" | "--user" | "--group"));
                }
            }
            word if is_assignment(word) => at += 1,
            _ => break,
        }
    }
    // `sudo -u` may be all that there is.
    at.min(words.len())
}

/// After how many words `run` has been said.
pub(super) fn run_begins(words: &[&str]) -> Option<usize> {
    let mut at = begins(words);
    if !is_program(words.get(at)?) {
        return None;
    }
    at += 1;
    while let Some(flag) = words.get(at).filter(|word| word.starts_with('-')) {
        at += 1 + usize::from(OWN.contains(flag));
    }
    at += usize::from(words.get(at) == Some(&"container"));
    // What `create` makes is started all the same.
    matches!(*words.get(at)?, "run" | "create").then_some(at + 1)
}

/// Whether a line begins with one of the programs.
pub(super) fn is_known(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().take(8).collect();
    words
        .get(begins(&words))
        .is_some_and(|word| is_program(word))
}

/// Whether a line, or a part of it, runs a container.
pub(super) fn runs(line: &str) -> bool {
    line.split(['&', ';', '|']).any(|part| {
        let words: Vec<&str> = part.split_whitespace().take(16).collect();
        run_begins(&words).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_put_before_it_a_line_that_runs_something_is_known() {
        for line in [
            "docker run x",
            "sudo -E -u me docker run x",
            "A=1 docker container run x",
            "/usr/bin/docker create x",
            "docker.exe run x",
            "docker --context far -H tcp://a:1 run x",
            "podman --remote run x",
            "docker stop x; docker rm x && docker run x",
        ] {
            assert!(runs(line), "{line}");
        }
        for line in [
            "docker ps",
            "lxc run x",
            "docker service create x",
            "run x",
            "",
        ] {
            assert!(!runs(line), "{line}");
        }
    }
}
