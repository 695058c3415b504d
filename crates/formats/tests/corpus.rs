//! Every kept input of `fuzz/corpus`, and changed copies of it, through every reader; and what is made to take long.

mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An input of a few kilobytes takes some milliseconds; debug builds on busy machines get much more.
const PATIENCE: Duration = Duration::from_secs(20);

fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut all = Vec::new();
    for folder in fs::read_dir(&root).expect("fuzz/corpus is there") {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    assert!(all.len() >= 30, "the corpus has gone");
    all
}

fn within(what: &str, name: &str, target: targets::Target, bytes: &[u8]) {
    let begun = Instant::now();
    let ended = std::panic::catch_unwind(|| target(bytes));
    assert!(
        ended.is_ok(),
        "{name} panics over {what}:\n{}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(2000)])
    );
    let took = begun.elapsed();
    assert!(took < PATIENCE, "{name} takes {took:?} over {what}");
}

/// Xorshift: the same numbers each time (Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn changed(numbers: &mut Numbers, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 20] = [
        b"${",
        b"}",
        b"$$",
        b": ",
        b"\n",
        b"\n  ",
        b"- ",
        b"[",
        b"{",
        b"\"",
        b"'",
        b"&a ",
        b"*a",
        b"!reset ",
        b"0",
        b"99999999999999999999",
        b"\xff",
        b"\0",
        b"=",
        "\u{2028}é".as_bytes(),
    ];
    let mut out = bytes.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(out.len() + 1);
        match numbers.below(6) {
            0 => {
                let end = (at + 1 + numbers.below(16)).min(out.len());
                out.drain(at.min(end)..end);
            }
            1 => {
                let word = WORDS[numbers.below(WORDS.len())];
                out.splice(at..at, word.iter().copied());
            }
            2 if !out.is_empty() => {
                let at = at.min(out.len() - 1);
                out[at] = numbers.below(256) as u8;
            }
            3 => {
                let from = numbers.below(other.len() + 1);
                let end = (from + numbers.below(64)).min(other.len());
                out.splice(at..at, other[from..end].iter().copied());
            }
            4 => {
                let end = (at + numbers.below(64)).min(out.len());
                let again = out[at..end].to_vec();
                out.splice(at..at, again);
            }
            _ => out.truncate(at),
        }
    }
    out
}

#[test]
fn every_reader_takes_the_corpus_and_changed_copies_of_it() {
    let all = corpus();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for (path, bytes) in &all {
        let what = path.display().to_string();
        for (name, target) in targets::ALL {
            within(&what, name, target, bytes);
        }
        let own = path
            .parent()
            .and_then(Path::file_name)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        for _ in 0..24 {
            let other = &all[numbers.below(all.len())].1;
            let bytes = changed(&mut numbers, bytes, other);
            for (name, target) in targets::ALL {
                if name == own || name == "compose" {
                    within(&format!("a copy of {what}"), name, target, &bytes);
                }
            }
        }
    }
}

/// Texts that are made to take long or much.
fn bombs() -> Vec<(&'static str, String)> {
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        aliases += &format!("a{level}: &a{level} [{inner}]\n");
    }
    let merges: String = (1..2000).fold("x0: &x0 { a: 1 }\n".to_owned(), |text, level| {
        text + &format!(
            "x{level}: &x{level} {{ <<: *x{}, k{level}: 1 }}\n",
            level - 1
        )
    });
    let variables = "${A:-".repeat(5000) + &"}".repeat(5000);
    let extends: String = (0..2000).fold("services:\n".to_owned(), |text, level| {
        text + &format!(
            "  s{level}: {{ extends: s{}, image: a }}\n",
            (level + 1) % 2000
        )
    });
    vec![
        ("aliases", aliases),
        ("merges", merges),
        ("lists", "[".repeat(100_000)),
        ("maps", "{a: ".repeat(50_000)),
        (
            "blocks",
            (0..2000)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect(),
        ),
        ("dashes", "- ".repeat(50_000)),
        ("a scalar", "a: ".to_owned() + &"x".repeat(900_000)),
        (
            "a line of run",
            "docker run ".to_owned() + &"-e A=1 ".repeat(30_000) + "nginx",
        ),
        (
            "lines of run, one as the other",
            "docker run x >a\n".repeat(8_000),
        ),
        (
            "quotes",
            "docker run -e '".to_owned() + &"\\\n".repeat(50_000),
        ),
        (
            "variables",
            format!("services: {{ a: {{ image: a, command: \"{variables}\" }} }}"),
        ),
        ("dollars", "$".repeat(200_000)),
        ("braces", "${".repeat(100_000)),
        ("extends", extends),
        (
            "services",
            (0..5000).fold("services:\n".to_owned(), |text, n| {
                text + &format!("  s{n}: {{ image: a, ports: [\"{}:80\"] }}\n", 10_000 + n)
            }),
        ),
        (
            "ports",
            "services: { a: { image: a, ports: [\"1-65535:1-65535\"] } }".to_owned(),
        ),
        (
            "tables",
            (0..20_000).map(|n| format!("[variables.a{n}]\n")).collect(),
        ),
        ("toml", "[variables]\na = ".to_owned() + &"[".repeat(50_000)),
        (
            "toml of one line",
            "[config]\nenv = [".to_owned() + &"\"A=1\",".repeat(50_000) + "]",
        ),
        (
            "secrets of a template",
            "[config.env]\nA = \"".to_owned() + &"${password}".repeat(50_000) + "\"\n",
        ),
        (
            "hosts of a template",
            "[config.env]\nA = \"".to_owned() + &"${domain}".repeat(50_000) + "\"\n",
        ),
        (
            "an environment of a template",
            format!(
                "[config.env]\nB = \"{}\"\nA = \"{}\"\n",
                "b".repeat(4000),
                "${B}".repeat(100_000)
            ),
        ),
        (
            "domains of a template",
            "[[config.domains]]\nserviceName = \"a\"\nport = 80\nhost = \"${domain}\"\n"
                .repeat(10_000),
        ),
        (
            "json",
            "web: a\n%%\n".to_owned() + &"{\"env\":".repeat(50_000),
        ),
        (
            "json of numbers",
            "web: a\n%%\n{\"addons\": [".to_owned() + &"1,".repeat(50_000) + "1]}",
        ),
        (
            "processes",
            (0..5000).map(|n| format!("p{n}: run\n")).collect(),
        ),
        (
            "template",
            "captainVersion: 4\ncaproverOneClickApp: { variables: [".to_owned()
                + &"{id: $$cap_a, defaultValue: $$cap_a$$cap_a},".repeat(2000)
                + "]}\nservices: { a: { image: $$cap_a } }\n",
        ),
        ("lines", "A=1\n".repeat(100_000)),
        ("comments", "# \n".repeat(200_000)),
        ("tabs", "\t".repeat(300_000)),
        ("nul", "\0".repeat(300_000)),
    ]
}

#[test]
fn nothing_takes_long_that_is_made_to() {
    for (what, text) in bombs() {
        for (name, target) in targets::ALL {
            within(what, name, target, text.as_bytes());
        }
    }
}
