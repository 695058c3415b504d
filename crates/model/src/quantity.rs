//! Quantities as people write them: CPU, bytes, spans of time.

use std::fmt;
use std::str::FromStr;

use crate::text::text_newtype;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct InvalidQuantity {
    pub text: String,
    pub what: &'static str,
}

fn invalid(text: &str, what: &'static str) -> InvalidQuantity {
    InvalidQuantity {
        text: text.to_owned(),
        what,
    }
}

/// CPU in thousandths of a core: `100m`, `0.5`, `2`. At least 1m, at most 1,000 cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct Cpu(pub u32);

impl FromStr for Cpu {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        const WHAT: &str = "an amount of CPU, such as 100m (a tenth of a core), 0.5 or 2";
        let millis = match text.strip_suffix('m') {
            Some(millis) => millis.parse::<u32>().ok(),
            None => text
                .parse::<f64>()
                .ok()
                .filter(|c| c.is_finite() && *c <= 1000.0)
                .map(|cores| (cores * 1000.0).round() as u32),
        };
        millis
            .filter(|m| (1..=1_000_000).contains(m))
            .map(Cpu)
            .ok_or_else(|| invalid(text, WHAT))
    }
}
impl fmt::Display for Cpu {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(out, "{}", self.0 / 1000)
        } else {
            write!(out, "{}m", self.0)
        }
    }
}
text_newtype!(Cpu, None, "CPU: 100m, 0.5, 2");

/// A number of bytes: `512Mi`, `1G`, `64k`, `1048576`. Suffixes `Ki Mi Gi Ti` are powers of 1024; `k K M G T` powers of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        const WHAT: &str = "a size, such as 512Mi, 1Gi or 500M";
        let split = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(text.len());
        let (digits, suffix) = text.split_at(split);
        let unit: u64 = match suffix {
            "" | "B" => 1,
            "k" | "K" => 1000,
            "M" => 1000_u64.pow(2),
            "G" => 1000_u64.pow(3),
            "T" => 1000_u64.pow(4),
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(invalid(text, WHAT)),
        };
        let bytes = match digits.parse::<u64>() {
            Ok(whole) => whole.checked_mul(unit),
            Err(_) => digits
                .parse::<f64>()
                .ok()
                .map(|n| n * unit as f64)
                .filter(|n| *n < 9e18)
                .map(|n| n as u64),
        };
        bytes.map(Bytes).ok_or_else(|| invalid(text, WHAT))
    }
}
impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for (unit, suffix) in [
            (1 << 40, "Ti"),
            (1 << 30, "Gi"),
            (1 << 20, "Mi"),
            (1 << 10, "Ki"),
        ] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(out, "{}{suffix}", self.0 / unit);
            }
        }
        write!(out, "{}", self.0)
    }
}
text_newtype!(Bytes, None, "a size in bytes: 512Mi, 1Gi, 500M");

/// A span of time in milliseconds: `500ms`, `5s`, `1m30s`, `2h`, `7d`; a plain number is seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct Span(pub u64);

impl Span {
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds * 1000)
    }
    pub const fn millis(self) -> u64 {
        self.0
    }
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
    pub fn is_nothing(&self) -> bool {
        self.0 == 0
    }
}
impl FromStr for Span {
    type Err = InvalidQuantity;
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let fail = || invalid(text, "a span of time, such as 500ms, 5s, 1m30s or 2h");
        if let Ok(seconds) = text.parse::<f64>() {
            return if (0.0..1e12).contains(&seconds) {
                Ok(Span((seconds * 1000.0).round() as u64))
            } else {
                Err(fail())
            };
        }
        let (mut rest, mut total) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
            let number: u64 = rest[..digits].parse().map_err(|_| fail())?;
            rest = &rest[digits..];
            let unit = rest
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(rest.len());
            let millis = match &rest[..unit] {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(fail()),
            };
            total = number
                .checked_mul(millis)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(fail)?;
            rest = &rest[unit..];
        }
        if text.is_empty() {
            Err(fail())
        } else {
            Ok(Span(total))
        }
    }
}
impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        if self.0 == 0 {
            return out.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, suffix) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1000, "s"),
            (1, "ms"),
        ] {
            if rest >= unit {
                write!(out, "{}{suffix}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}
text_newtype!(Span, None, "a span of time: 500ms, 5s, 1m30s");

/// A size for people to read: `12.3 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_written_in_the_field() {
        assert_eq!("100m".parse(), Ok(Cpu(100)));
        assert_eq!("0.5".parse(), Ok(Cpu(500)));
        assert_eq!("512Mi".parse(), Ok(Bytes(512 << 20)));
        assert_eq!("1.5Gi".parse(), Ok(Bytes(3 << 29)));
        assert_eq!("1m30s".parse(), Ok(Span(90_000)));
        assert_eq!("10".parse(), Ok(Span(10_000)));
        assert!("512MB!".parse::<Bytes>().is_err());
        assert!("0".parse::<Cpu>().is_err());
        assert!("5 s".parse::<Span>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn text_and_value_agree(cpu in 1u32..1_000_000, bytes in 0u64..1 << 60, span in 0u64..1 << 50) {
            proptest::prop_assert_eq!(Cpu(cpu).to_string().parse(), Ok(Cpu(cpu)));
            proptest::prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
            proptest::prop_assert_eq!(Span(span).to_string().parse(), Ok(Span(span)));
        }
    }
}
