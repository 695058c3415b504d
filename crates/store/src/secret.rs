//! Secrets and settings of an application. Secret values are sealed, versioned, and read only to be handed to a runtime.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::EnvName;
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::{RunWish, SecretValue};
use pluvio_model::template::SecretRef;

use sqlx::any::AnyRow;

use crate::application::{self, Application};
use crate::audit::record;
use crate::release;
use crate::row::Columns;
use crate::seal::random;
use crate::target;
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

/// A secret's newest version, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    pub name: EnvName,
    pub version: u32,
    pub generated: bool,
    pub at: Timestamp,
    pub actor: String,
}

impl Store {
    /// Gives a secret a value: a new version. What runs keeps the version it was decided with.
    pub async fn set_secret(
        &self,
        application: ApplicationId,
        name: &EnvName,
        value: &SecretValue,
        actor: &str,
    ) -> Result<u32> {
        transaction!(self, tx => {
            let application = application::load(&mut tx, application).await?;
            set(&mut tx, &application, name, &value.0, false, actor).await
        })
    }

    /// Removes a secret: later decisions do not see it. Values that the target or the last live release names stay until
    /// another is live; all others are forgotten at once.
    pub async fn delete_secret(
        &self,
        application: ApplicationId,
        name: &EnvName,
        actor: &str,
    ) -> Result<()> {
        transaction!(self, tx => {
            let application = application::load(&mut tx, application).await?;
            let remove = sqlx::query(
                "UPDATE secrets SET removed_at = $3 WHERE application = $1 AND name = $2 AND removed_at IS NULL",
            )
            .bind(application.id.to_string())
            .bind(name.to_string())
            .bind(tx.now_ms());
            if tx.run(remove).await? == 0 {
                return Err(StoreError::NotFound { what: "secret" });
            }
            forget_removed(&mut tx, application.id).await?;
            let object = format!("secret {name} of {}", application.name);
            record(&mut tx, Some(application.team), actor, "secret:write", &object, "deleted").await
        })
    }

    /// By name.
    pub async fn secrets(&self, application: ApplicationId) -> Result<Vec<SecretRow>> {
        let query = sqlx::query(
            "SELECT name, version, generated, created_at, actor FROM secrets s WHERE application = $1 \
             AND removed_at IS NULL AND version = (SELECT max(version) FROM secrets n \
             WHERE n.application = s.application AND n.name = s.name) ORDER BY name",
        )
        .bind(application.to_string());
        let rows = self.read_all(query).await?;
        rows.iter()
            .map(|row| {
                Ok(SecretRow {
                    name: row.parsed("name")?,
                    version: version(row)?,
                    generated: row.flag("generated")?,
                    at: row.time("created_at")?,
                    actor: row.text("actor")?,
                })
            })
            .collect()
    }

    /// The values of these versions, keyed as a stage wants them ([`pluvio_model::stage::RunWish::key`]).
    /// [`crate::StoreError::NotFound`] when one is not there.
    pub async fn secret_values(
        &self,
        application: ApplicationId,
        wanted: &[SecretRef],
    ) -> Result<BTreeMap<String, SecretValue>> {
        let mut values = BTreeMap::new();
        for secret in wanted {
            let query = sqlx::query(
                "SELECT sealed FROM secrets WHERE application = $1 AND name = $2 AND version = $3",
            )
            .bind(application.to_string())
            .bind(secret.name.to_string())
            .bind(i64::from(secret.version));
            let sealed = self.read_one("secret", query).await?.bytes("sealed")?;
            if sealed.is_empty() {
                return Err(StoreError::NotFound { what: "secret" });
            }
            let place = place(application, &secret.name, secret.version);
            let plain = self.inner.seal.open(&place, &sealed)?;
            let plain = String::from_utf8(plain).map_err(|error| StoreError::Corrupt {
                what: "a secret",
                why: error.to_string(),
            })?;
            values.insert(RunWish::key(secret), SecretValue(plain));
        }
        Ok(values)
    }

    /// Sets a setting, or removes it.
    pub async fn set_setting(
        &self,
        application: ApplicationId,
        name: &EnvName,
        value: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        transaction!(self, tx => {
            let application = application::load(&mut tx, application).await?;
            match value {
                Some(value) => put_setting(&mut tx, application.id, name, value).await?,
                None => {
                    let delete = sqlx::query("DELETE FROM settings WHERE application = $1 AND name = $2")
                        .bind(application.id.to_string())
                        .bind(name.to_string());
                    tx.run(delete).await?;
                }
            }
            let object = format!("setting {name} of {}", application.name);
            record(&mut tx, Some(application.team), actor, "application:configure", &object, "set").await
        })
    }

    pub async fn settings(&self, application: ApplicationId) -> Result<BTreeMap<EnvName, String>> {
        let query = sqlx::query("SELECT name, value FROM settings WHERE application = $1")
            .bind(application.to_string());
        read_settings(&self.read_all(query).await?)
    }
}

/// A new version with this value, and its audit row.
pub(crate) async fn set(
    tx: &mut Tx,
    of: &Application,
    name: &EnvName,
    value: &str,
    generated: bool,
    actor: &str,
) -> Result<u32> {
    let application = of.id;
    let last = sqlx::query(
        "SELECT COALESCE(max(version), 0) AS version FROM secrets WHERE application = $1 AND name = $2",
    )
    .bind(application.to_string())
    .bind(name.to_string());
    let version = version(&tx.one("secret", last).await?)? + 1;
    let sealed = tx
        .seal
        .seal(&place(application, name, version), value.as_bytes())?;
    let insert = sqlx::query(
        "INSERT INTO secrets (application, name, version, sealed, generated, actor, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(application.to_string())
    .bind(name.to_string())
    .bind(i64::from(version))
    .bind(sealed)
    .bind(i64::from(generated))
    .bind(actor.to_owned())
    .bind(tx.now_ms());
    tx.run(insert).await?;
    let object = format!("secret {name} of {}", of.name);
    let result = if generated { "generated" } else { "set" };
    record(tx, Some(of.team), actor, "secret:write", &object, result).await?;
    Ok(version)
}

/// What a deploy brings along, as a compose file's secrets are with each: a new version only where the value is another.
pub(crate) async fn bring(
    tx: &mut Tx,
    of: &Application,
    name: &EnvName,
    value: &str,
    actor: &str,
) -> Result<()> {
    if let Some(version) = newest(tx, of.id).await?.get(name) {
        let query = sqlx::query(
            "SELECT sealed FROM secrets WHERE application = $1 AND name = $2 AND version = $3",
        )
        .bind(of.id.to_string())
        .bind(name.to_string())
        .bind(i64::from(*version));
        let sealed = tx.one("secret", query).await?.bytes("sealed")?;
        let known = tx.seal.open(&place(of.id, name, *version), &sealed);
        if known.is_ok_and(|known| known == value.as_bytes()) {
            return Ok(());
        }
    }
    set(tx, of, name, value, false, actor).await?;
    Ok(())
}

/// Makes the values that a specification wants generated and that are not there yet.
pub(crate) async fn generate(
    tx: &mut Tx,
    application: &Application,
    spec: &AppSpec,
    actor: &str,
) -> Result<()> {
    let there = newest(tx, application.id).await?;
    for (name, rule) in &spec.all_secrets() {
        if rule.generate && !there.contains_key(name) {
            let length = usize::from(rule.length.unwrap_or(32).clamp(8, 256));
            let value = generated(length)?;
            set(tx, application, name, &value, true, actor).await?;
        }
    }
    Ok(())
}

/// The newest version of every secret that has a value.
pub(crate) async fn newest(
    tx: &mut Tx,
    application: ApplicationId,
) -> Result<BTreeMap<EnvName, u32>> {
    let query = sqlx::query(
        "SELECT name, max(version) AS version FROM secrets \
         WHERE application = $1 AND removed_at IS NULL GROUP BY name",
    )
    .bind(application.to_string());
    let rows = tx.all(query).await?;
    rows.iter()
        .map(|row| Ok((row.parsed("name")?, version(row)?)))
        .collect()
}

/// Forgets the values of removed secrets that neither a target nor a live release names.
pub(crate) async fn forget_removed(tx: &mut Tx, application: ApplicationId) -> Result<()> {
    let removed = sqlx::query(
        "SELECT name, version, sealed FROM secrets WHERE application = $1 AND removed_at IS NOT NULL",
    )
    .bind(application.to_string());
    let mut removed: Vec<SecretRef> = tx
        .all(removed)
        .await?
        .iter()
        .filter(|row| row.bytes("sealed").is_ok_and(|sealed| !sealed.is_empty()))
        .map(|row| {
            Ok(SecretRef {
                name: row.parsed("name")?,
                version: version(row)?,
            })
        })
        .collect::<Result<_>>()?;
    if removed.is_empty() {
        return Ok(());
    }
    for target in target::load_all(tx, application).await? {
        for number in [Some(target.release), target.live_release]
            .into_iter()
            .flatten()
        {
            let named = release::load(tx, application, number).await?.secrets();
            removed.retain(|secret| !named.contains(secret));
        }
    }
    for secret in removed {
        let forget = sqlx::query(
            "UPDATE secrets SET sealed = $4 WHERE application = $1 AND name = $2 AND version = $3",
        )
        .bind(application.to_string())
        .bind(secret.name.to_string())
        .bind(i64::from(secret.version))
        .bind(Vec::<u8>::new());
        tx.run(forget).await?;
    }
    Ok(())
}

pub(crate) async fn put_setting(
    tx: &mut Tx,
    application: ApplicationId,
    name: &EnvName,
    value: &str,
) -> Result<()> {
    let put = sqlx::query(
        "INSERT INTO settings (application, name, value) VALUES ($1, $2, $3) \
         ON CONFLICT (application, name) DO UPDATE SET value = $3",
    )
    .bind(application.to_string())
    .bind(name.to_string())
    .bind(value.to_owned());
    tx.run(put).await?;
    Ok(())
}

pub(crate) async fn load_settings(
    tx: &mut Tx,
    application: ApplicationId,
) -> Result<BTreeMap<EnvName, String>> {
    let query = sqlx::query("SELECT name, value FROM settings WHERE application = $1")
        .bind(application.to_string());
    read_settings(&tx.all(query).await?)
}

fn read_settings(rows: &[AnyRow]) -> Result<BTreeMap<EnvName, String>> {
    rows.iter()
        .map(|row| Ok((row.parsed("name")?, row.text("value")?)))
        .collect()
}

fn version(row: &AnyRow) -> Result<u32> {
    let version = row.count("version")?;
    u32::try_from(version).map_err(|error| StoreError::Corrupt {
        what: "version",
        why: error.to_string(),
    })
}

fn place(application: ApplicationId, name: &EnvName, version: u32) -> String {
    format!("secrets/{application}/{name}/{version}")
}

/// Letters and digits, each equally likely: they stand in an address as they are.
pub fn generated(length: usize) -> Result<String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // 248 is the largest multiple of 62 in a byte: what lies above would favour the first letters.
        let fair = random::<64>()?.into_iter().filter(|byte| *byte < 248);
        text.extend(
            fair.map(|byte| LETTERS[usize::from(byte) % LETTERS.len()] as char)
                .take(length - text.len()),
        );
    }
    Ok(text)
}
