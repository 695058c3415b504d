//! Compose's own interpolation: `$A`, `${A:-d}` and its kin, over the values of a file, never its keys.
//!
//! Each text gives two: what compose would make of it, and the same in the form of app.yaml, where a variable that has a
//! value or a default is a setting of the application, so that it can be changed later without the file.

use indexmap::IndexMap;
use pluvio_model::interpolate::escape;
use pluvio_model::name::EnvName;
use pluvio_model::spec::SettingSpec;

/// How deep defaults may hold variables.
const DEPTH_MAX: usize = 16;
/// The longest text that interpolation may make of one.
const LONGEST: usize = 1 << 20;

/// What names stand for. Dialects put their own in front.
pub(crate) trait Names {
    /// A value that is made for the application: the reference that app.yaml has for it, and what stands for it where none
    /// can be written.
    fn made(&self, name: &str) -> Option<Made>;
    fn value(&self, name: &str) -> Option<&str>;
    /// Whether what follows `:?` is a value rather than a message.
    fn prefills(&self) -> bool {
        false
    }
}

/// A generated value.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) text: String,
    pub(crate) template: String,
    /// The text is the value itself, so that it may stand anywhere.
    pub(crate) plain: bool,
    /// The text is the default of a setting of that name.
    pub(crate) setting: bool,
}

/// What was met on the way.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// Unset, without a default: they became empty.
    pub(crate) unset: Vec<String>,
    /// Required and unset, with the message.
    pub(crate) required: Vec<(String, String)>,
    /// What cannot be read, and why.
    pub(crate) wrong: Vec<String>,
    /// Made values that stand where only text can.
    pub(crate) made: Vec<String>,
}

/// The settings that templates refer to.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) all: IndexMap<EnvName, SettingSpec>,
}

impl Settings {
    /// The reference, where the setting has this very default.
    fn reference(&mut self, name: &str, default: &str, message: Option<&str>) -> Option<String> {
        let key: EnvName = name.parse().ok()?;
        let setting = self.all.entry(key).or_insert_with(|| SettingSpec {
            default: Some(default.to_owned()),
            required: false,
            message: message.filter(|m| !m.is_empty()).map(str::to_owned),
        });
        (setting.default.as_deref() == Some(default)).then(|| format!("${{settings.{name}}}"))
    }
}

/// Both forms of a text. `None` where nothing was put in and nothing unescaped: the text is what it was.
pub(crate) fn interpolate(
    text: &str,
    names: &dyn Names,
    settings: &mut Settings,
    met: &mut Met,
) -> Option<(String, String)> {
    if !text.contains('$') {
        return None;
    }
    let mut work = Work {
        names,
        settings,
        met,
    };
    let both = work.text(text, 0);
    Some((both.text, both.template))
}

#[derive(Default)]
struct Both {
    text: String,
    template: String,
}

impl Both {
    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        self.template.push_str(&escape(text));
    }
    fn push(&mut self, other: Both) {
        self.text.push_str(&other.text);
        self.template.push_str(&other.template);
    }
}

struct Work<'w> {
    names: &'w dyn Names,
    settings: &'w mut Settings,
    met: &'w mut Met,
}

fn name_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
    {
        return 0;
    }
    bytes
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
        .unwrap_or(bytes.len())
}

impl Work<'_> {
    fn text(&mut self, text: &str, depth: usize) -> Both {
        let mut out = Both::default();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            if out.text.len() > LONGEST {
                self.met
                    .wrong
                    .push("it grows beyond a million letters".to_owned());
                return out;
            }
            out.plain(&rest[..dollar]);
            let after = &rest[dollar + 1..];
            if let Some(tail) = after.strip_prefix('$') {
                out.plain("$");
                rest = tail;
                continue;
            }
            if let Some(body) = after.strip_prefix('{') {
                let Some(end) = closing(body) else {
                    self.met
                        .wrong
                        .push(format!("`{}` is not closed", short(&rest[dollar..])));
                    out.plain(&rest[dollar..]);
                    return out;
                };
                let inner = &body[..end];
                match self.braced(inner, depth) {
                    Some(both) => out.push(both),
                    None => {
                        self.met
                            .wrong
                            .push(format!("`${{{}}}` is no variable", short(inner)));
                        out.plain(&rest[dollar..dollar + end + 3]);
                    }
                }
                rest = &body[end + 1..];
                continue;
            }
            let end = name_end(after);
            if end == 0 {
                out.plain("$");
                rest = after;
                continue;
            }
            let both = self.variable(&after[..end]);
            out.push(both);
            rest = &after[end..];
        }
        out.plain(rest);
        out
    }

    fn made(&mut self, name: &str) -> Option<Both> {
        let made = self.names.made(name)?;
        if made.setting {
            return Some(self.setting(name, made.text, None));
        }
        if !made.plain {
            self.met.made.push(name.to_owned());
        }
        Some(Both {
            text: made.text,
            template: made.template,
        })
    }

    fn variable(&mut self, name: &str) -> Both {
        if let Some(made) = self.made(name) {
            return made;
        }
        match self.names.value(name).map(str::to_owned) {
            Some(value) => self.setting(name, value, None),
            None => {
                self.met.unset.push(name.to_owned());
                Both::default()
            }
        }
    }

    fn setting(&mut self, name: &str, value: String, message: Option<&str>) -> Both {
        let template = match self.settings.reference(name, &value, message) {
            Some(reference) => reference,
            None => escape(&value),
        };
        Both {
            text: value,
            template,
        }
    }

    fn braced(&mut self, inner: &str, depth: usize) -> Option<Both> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let end = name_end(inner);
        if end == 0 {
            return None;
        }
        let (name, rest) = inner.split_at(end);
        if rest.is_empty() {
            return Some(self.variable(name));
        }
        let (operator, operand) = match rest.as_bytes() {
            [b':', b'-' | b'?' | b'+', ..] => rest.split_at(2),
            [b'-' | b'?' | b'+', ..] => rest.split_at(1),
            _ => return None,
        };
        if let Some(made) = self.made(name) {
            return Some(made);
        }
        let value = self.names.value(name).map(str::to_owned);
        let set = value
            .clone()
            .filter(|value| !(operator.starts_with(':') && value.is_empty()));
        Some(match (operator.trim_start_matches(':'), set) {
            ("+", Some(_)) => self.text(operand, depth + 1),
            ("+", None) => Both::default(),
            ("?", Some(value)) => self.setting(name, value, Some(operand)),
            ("?", None) if self.names.prefills() && !operand.trim().is_empty() => {
                let default = self.text(operand, depth + 1);
                self.setting(name, default.text, None)
            }
            ("?", None) => {
                self.met
                    .required
                    .push((name.to_owned(), operand.to_owned()));
                Both::default()
            }
            (_, Some(value)) => self.setting(name, value, None),
            (_, None) => {
                let made_before = self.met.made.len();
                let default = self.text(operand, depth + 1);
                if self.met.made.len() > made_before {
                    // A default that is made cannot be a setting's, which is text.
                    return Some(default);
                }
                self.setting(name, default.text, None)
            }
        })
    }
}

/// Where the `}` of what follows `${` is.
fn closing(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let (mut at, mut open) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'$' if bytes.get(at + 1) == Some(&b'$') => at += 1,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                open += 1;
                at += 1;
            }
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

impl Both {
    #[cfg(test)]
    fn pair(self) -> (String, String) {
        (self.text, self.template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Env(Vec<(&'static str, &'static str)>);
    impl Names for Env {
        fn made(&self, _: &str) -> Option<Made> {
            None
        }
        fn value(&self, name: &str) -> Option<&str> {
            self.0.iter().find(|(key, _)| *key == name).map(|(_, v)| *v)
        }
    }

    #[test]
    fn every_form_gives_what_compose_gives_and_a_setting() {
        let env = Env(vec![("A", "1"), ("E", ""), ("D", "$x")]);
        for (text, want, template) in [
            ("$A.${A}", "1.1", "${settings.A}.${settings.A}"),
            ("${U:-d}", "d", "${settings.U}"),
            ("${E:-d}${E-d}", "d", "${settings.E}"),
            ("${V:-${A}b}", "1b", "${settings.V}"),
            ("${A:+r}${U2:+r}", "r", "r"),
            ("${D}", "$x", "${settings.D}"),
            ("$$A $1 $", "$A $1 $", "$$A $$1 $$"),
            ("$NONE-", "-", "-"),
            ("${A/x/y}", "${A/x/y}", "$${A/x/y}"),
        ] {
            let (mut settings, mut met) = (Settings::default(), Met::default());
            let mut work = Work {
                names: &env,
                settings: &mut settings,
                met: &mut met,
            };
            let (got, made) = work.text(text, 0).pair();
            assert_eq!(got, want, "{text}");
            // Two defaults of one name cannot both be the setting's.
            if text != "${E:-d}${E-d}" {
                assert_eq!(made, template, "{text}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let (mut settings, mut met) = (Settings::default(), Met::default());
        let env = Env(vec![]);
        interpolate("${P:?set it} $Q ${R", &env, &mut settings, &mut met);
        assert_eq!(met.required, [("P".to_owned(), "set it".to_owned())]);
        assert_eq!(met.unset, ["Q"]);
        assert_eq!(met.wrong.len(), 1);
    }
}
