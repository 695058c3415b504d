//! Plain scalars, by YAML 1.2's core schema (yaml.org/spec/1.2.2, section 10.3): `no` and `22:22` are texts.

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolved {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
    Text,
}

/// What a plain (unquoted) scalar is. A whole number beyond 64 bits is a float.
pub fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        _ => {}
    }
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Resolved::Float(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
            return match u64::from_str_radix(digits, radix) {
                Ok(number) if plain => Resolved::Unsigned(number),
                _ => Resolved::Text,
            };
        }
    }
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        let number = digits.parse::<u64>();
        return match (negative, number) {
            (false, Ok(number)) => Resolved::Unsigned(number),
            (true, Ok(0)) => Resolved::Unsigned(0),
            (true, Ok(_)) => match text.parse() {
                Ok(number) => Resolved::Signed(number),
                Err(_) => float(text),
            },
            (_, Err(_)) => float(text),
        };
    }
    if is_float(digits) {
        float(text)
    } else {
        Resolved::Text
    }
}

fn float(text: &str) -> Resolved {
    text.parse().map_or(Resolved::Text, Resolved::Float)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa = match mantissa.split_once('.') {
        Some((whole, part)) => {
            all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa && exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        use Resolved::*;
        for (text, want) in [
            ("", Null),
            ("~", Null),
            ("true", Bool(true)),
            ("yes", Text),
            ("no", Text),
            ("on", Text),
            ("8080", Unsigned(8080)),
            ("0644", Unsigned(644)),
            ("0o644", Unsigned(0o644)),
            ("0x1F", Unsigned(31)),
            ("0x+1", Text),
            ("-1", Signed(-1)),
            ("+1", Unsigned(1)),
            ("-9223372036854775808", Signed(i64::MIN)),
            ("1.10", Float(1.1)),
            (".5", Float(0.5)),
            ("1e3", Float(1000.0)),
            ("1.", Float(1.0)),
            (".", Text),
            ("1.2.3", Text),
            ("22:22", Text),
            ("22222:22", Text),
            ("1_000", Text),
            ("2024-01-01", Text),
            ("-", Text),
            ("e5", Text),
            ("18446744073709551616", Float(18446744073709551616.0)),
        ] {
            assert_eq!(resolve(text), want, "{text}");
        }
    }
}
