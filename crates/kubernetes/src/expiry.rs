//! When a kubeconfig's credential is good: a server that refuses one does not say that it is only too old, or too new.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use crate::connect::{Credential, minified};

/// From when to when a credential is good; what it does not say is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

/// When the certificate or token is good.
pub(crate) fn of(credential: &Credential) -> Validity {
    read(credential).unwrap_or_default()
}

fn read(credential: &Credential) -> Option<Validity> {
    let (text, _) = minified(credential).ok()?;
    // As it was written: JSON.
    let all: Value = serde_json::from_str(&text).ok()?;
    let user = all.pointer("/users/0/user")?;
    if let Some(pem) = user["client-certificate-data"].as_str() {
        return of_certificate(&der(pem)?);
    }
    let payload = user["token"].as_str()?.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let time = |claim: &str| Timestamp::from_second(claims[claim].as_i64()?).ok();
    Some(Validity {
        from: time("nbf"),
        to: time("exp"),
    })
}

/// Why a cluster does not accept a credential, as far as that tells, and what helps.
pub(crate) fn why_refused(credential: &Credential, now: Timestamp) -> (String, &'static str) {
    let validity = of(credential);
    if let Some(at) = validity.to.filter(|at| *at < now) {
        return (
            format!("The kubeconfig's certificate or token expired at {at}."),
            "Take a new kubeconfig from the cluster (`kubeadm kubeconfig user`, or from its provider).",
        );
    }
    if let Some(at) = validity.from.filter(|at| *at > now) {
        return (
            format!("The kubeconfig's certificate or token is not valid yet: it is from {at} on."),
            "Check the clocks of this machine, of the cluster and of whoever made the credential. If they are right, come again then, or take a new kubeconfig from the cluster.",
        );
    }
    (
        "The cluster does not accept the kubeconfig's certificate or token.".to_owned(),
        "Check that it is this cluster's, and that its user or service account was not deleted.",
    )
}

/// The first certificate of a kubeconfig's base64 of PEM.
fn der(data: &str) -> Option<Vec<u8>> {
    let pem = String::from_utf8(STANDARD.decode(data.trim()).ok()?).ok()?;
    let begin = "-----BEGIN CERTIFICATE-----";
    let inner = &pem[pem.find(begin)? + begin.len()..];
    let inner = &inner[..inner.find("-----END")?];
    let text: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(text).ok()
}

/// `Certificate ::= SEQUENCE { tbs SEQUENCE { [0] version, serial, signature, issuer, validity SEQUENCE { from, to } … } … }`
/// (RFC 5280, 4.1).
fn of_certificate(certificate: &[u8]) -> Option<Validity> {
    let (_, outer, _) = element(certificate)?;
    let (_, mut rest, _) = element(outer)?;
    let (tag, _, after) = element(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (tag, from, rest) = element(validity)?;
    let from = time(tag, from)?;
    let (tag, to, _) = element(rest)?;
    Some(Validity {
        from: Some(from),
        to: Some(time(tag, to)?),
    })
}

fn time(tag: u8, time: &[u8]) -> Option<Timestamp> {
    let time = std::str::from_utf8(time).ok()?;
    // UTCTime has two digits of the year, up to 2049.
    let time = match (tag, time.get(..2)?.parse::<u32>().ok()?) {
        (0x17, 50..) => format!("19{time}"),
        (0x17, _) => format!("20{time}"),
        _ => time.to_owned(),
    };
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", time).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let digits = rest.get(..length - 0x80)?;
        rest = rest.get(length - 0x80..)?;
        if digits.len() > 4 {
            return None;
        }
        length = digits
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    }
    Some((*tag, rest.get(..length)?, rest.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(user: &str) -> Credential {
        Credential {
            kubeconfig: format!(
                "{{current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
                 clusters: [{{name: c, cluster: {{server: \"https://c\"}}}}], users: [{{name: u, user: {user}}}]}}"
            ),
            context: None,
        }
    }

    #[test]
    fn a_tokens_end_is_its_claim() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":1700000000}"#);
        let credential = kubeconfig(&format!("{{token: a.{payload}.b}}"));
        let end = of(&credential).to.expect("an end");
        assert_eq!(end.as_second(), 1_700_000_000);
        assert_eq!(of(&kubeconfig("{token: opaque}")), Validity::default());
    }

    #[test]
    fn what_is_refused_for_its_time_is_told_with_it() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"nbf":1700000000,"exp":1700003600}"#);
        let credential = kubeconfig(&format!("{{token: a.{payload}.b}}"));
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let (cause, _) = why_refused(&credential, at(1_700_003_601));
        assert!(cause.contains("expired at 2023-11-14T23:13:20Z"), "{cause}");
        let (cause, _) = why_refused(&credential, at(1_699_999_999));
        assert!(cause.contains("not valid yet"), "{cause}");
        assert!(cause.contains("2023-11-14T22:13:20Z"), "{cause}");
        let (cause, _) = why_refused(&credential, at(1_700_000_001));
        assert!(cause.contains("does not accept"), "{cause}");
    }

    #[test]
    fn a_certificates_end_is_read_and_rubbish_is_not() {
        // Serial 1, no signature worth the name, from 2020-01-01 to 2021-02-03T04:05:06Z.
        let validity = [b"\x30\x1e\x17\x0d200101000000Z\x17\x0d210203040506Z".as_slice()].concat();
        let tbs = [
            b"\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x00".as_slice(),
            &validity,
        ]
        .concat();
        let mut all = vec![
            0x30,
            u8::try_from(tbs.len() + 2).expect("short"),
            0x30,
            u8::try_from(tbs.len()).expect("short"),
        ];
        all.extend(&tbs);
        let read = of_certificate(&all).expect("both ends");
        let told = |time: Option<Timestamp>| time.expect("a time").to_string();
        assert_eq!(told(read.from), "2020-01-01T00:00:00Z");
        assert_eq!(told(read.to), "2021-02-03T04:05:06Z");
        for cut in 0..all.len() {
            assert_eq!(of_certificate(&all[..cut]), None, "{cut}");
        }
    }
}
