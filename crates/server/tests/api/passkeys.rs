//! Passkeys, as far as they go without an authenticator; the console's tests go the whole way with one.

use http::{Method, header};
use serde_json::{Value, json};

use crate::scene::{Answer, Scene};
use crate::sessions::Browser;

const OPTIONS: &str = "/api/v1/passkeys/options";
const ENTER: &str = "/api/v1/session/passkey";

async fn begin(scene: &Scene) -> Answer {
    let path = format!("{ENTER}/options");
    scene.ask(Method::POST, &path, "", None).await
}

/// An answer of a browser in the right shape, signed by nobody.
fn forged(challenge: &Value) -> Value {
    let base64 = |text: &str| {
        const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for group in text.as_bytes().chunks(3) {
            let bits = group
                .iter()
                .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - group.len()));
            for at in 0..=group.len() {
                out.push(char::from(SIGNS[(bits >> (18 - 6 * at)) as usize & 63]));
            }
        }
        out
    };
    let client = json!({ "type": "webauthn.get", "challenge": challenge, "origin": "http://localhost:7080", "crossOrigin": false });
    json!({ "credential": { "id": base64("a credential of nobody"), "type": "public-key", "clientExtensionResults": {}, "response": {
        "clientDataJSON": base64(&client.to_string()),
        "authenticatorData": base64(&"x".repeat(37)),
        "signature": base64("no signature"),
        "userHandle": base64("sixteen bytes ok"),
    } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_for_one_browser_and_one_answer() {
    let scene = Scene::new().await;
    let begun = begin(&scene).await;
    assert_eq!(begun.status, 200, "{begun:?}");
    let options = begun.json();
    assert_eq!(options["origin"], "http://localhost:7080");
    assert_eq!(options["options"]["rpId"], "localhost");
    assert_eq!(options["options"]["userVerification"], "required");
    assert_eq!(
        options["options"]["allowCredentials"]
            .as_array()
            .map_or(0, Vec::len),
        0,
        "nobody learns who has passkeys"
    );
    let cookie = begun.headers[header::SET_COOKIE].to_str().unwrap();
    for part in [
        "HttpOnly",
        "SameSite=Strict",
        "Path=/api/v1/session/passkey",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    let answer = forged(&options["options"]["challenge"]);
    let send = async |cookie: &str| {
        let mut request = Scene::request(Method::POST, ENTER, "", Some(&answer));
        request
            .headers_mut()
            .insert(header::COOKIE, cookie.parse().unwrap());
        scene.send(request).await
    };
    let elsewhere = send("pluvio_passkey=00").await;
    assert_eq!(elsewhere.code(), "auth.passkey");
    assert!(elsewhere.text.contains("was begun in this browser"));
    let here = send(cookie).await;
    assert_eq!(here.code(), "auth.passkey");
    assert!(here.text.contains("is not known here"), "{here:?}");
    assert!(!here.headers.contains_key(header::SET_COOKIE));
    let again = send(cookie).await;
    assert!(
        again.text.contains("was begun in this browser"),
        "a challenge is used up by any answer: {again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_a_request_names_is_not_what_a_passkey_is_for() {
    let scene = Scene::new().await;
    let begin = async |host: &str| {
        let mut request = Scene::request(Method::POST, &format!("{ENTER}/options"), "", None);
        request
            .headers_mut()
            .insert(header::HOST, host.parse().unwrap());
        scene.send(request).await
    };
    let applications = begin("shop.localhost:8080").await;
    assert_eq!(applications.status, 421, "{applications:?}");
    let answer = begin("127.0.0.1:8080").await;
    assert_eq!(answer.json()["options"]["rpId"], "localhost");
    assert_eq!(answer.json()["origin"], "http://localhost:7080");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_person_in_the_console_adds_a_passkey() {
    let scene = Scene::new().await;
    let by_token = scene.ask(Method::POST, OPTIONS, &scene.owner, None).await;
    assert_eq!(by_token.code(), "permission.denied");
    let browser = Browser::sign_in(&scene).await;
    let without = browser.send(&scene, Method::POST, OPTIONS, &[], None).await;
    assert_eq!(without.code(), "permission.denied", "no CSRF value");
    let csrf = [("x-pluvio-csrf", browser.csrf.as_str())];
    let begun = browser
        .send(&scene, Method::POST, OPTIONS, &csrf, None)
        .await
        .json();
    assert_eq!(begun["options"]["rp"]["id"], "localhost");
    assert_eq!(begun["options"]["user"]["name"], "owner");
    let wanted = &begun["options"]["authenticatorSelection"];
    assert_eq!(wanted["residentKey"], "required");
    assert_eq!(wanted["userVerification"], "required");
    let add = async |browser: &Browser| {
        let body = json!({ "name": "Laptop", "credential": { "response": {} } });
        let csrf = [("x-pluvio-csrf", browser.csrf.as_str())];
        browser
            .send(&scene, Method::POST, "/api/v1/passkeys", &csrf, Some(&body))
            .await
    };
    let other = Browser::sign_in(&scene).await;
    let elsewhere = add(&other).await;
    assert_eq!(elsewhere.code(), "passkey.refused");
    assert!(elsewhere.text.contains("No passkey is being added here"));
    let nonsense = add(&browser).await;
    assert!(nonsense.text.contains("cannot be read"), "{nonsense:?}");
    let again = add(&browser).await;
    assert!(again.text.contains("No passkey is being added here"));
    assert!(browser.is_signed_in(&scene).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_came_over_https_never_goes_out_in_plain() {
    let scene = Scene::new().await;
    for (origin, secure) in [
        ("https://localhost:7080", true),
        ("http://localhost:7080", false),
    ] {
        let owner = scene.store.home().owner;
        let minute = std::time::Duration::from_secs(60);
        let token = scene.store.make_signin_link(owner, minute).await.unwrap();
        let body = json!({ "token": token });
        let mut request = Scene::request(Method::POST, "/api/v1/session/link", "", Some(&body));
        request
            .headers_mut()
            .insert(header::ORIGIN, origin.parse().unwrap());
        let answer = scene.send(request).await;
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        assert_eq!(cookie.contains("; Secure"), secure, "{origin}: {cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passkeys_is_slowed_down() {
    let scene = Scene::new().await;
    for _ in 0..5 {
        let answer = forged(&json!("AAAAAAAAAAAAAAAAAAAAAA"));
        let wrong = scene.ask(Method::POST, ENTER, "", Some(&answer)).await;
        assert_eq!(wrong.code(), "auth.passkey");
    }
    let answer = forged(&json!("AAAAAAAAAAAAAAAAAAAAAA"));
    let slowed = scene.ask(Method::POST, ENTER, "", Some(&answer)).await;
    assert_eq!(slowed.code(), "rate-limited");
}
