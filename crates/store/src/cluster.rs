//! Runtime targets, and the identity by which another engine is told from the one we know.

use jiff::Timestamp;
use pluvio_model::facts::RuntimeKind;
use pluvio_model::id::ClusterId;
use pluvio_model::name::Name;
use pluvio_model::problem;

use sqlx::any::AnyRow;

use crate::audit::record;
use crate::row::{Columns, fresh, word};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: Name,
    pub kind: RuntimeKind,
    /// The identity the engine keeps, whatever form it has.
    pub identity: String,
    /// How it is reached: a socket, a URL.
    pub address: String,
    pub created_at: Timestamp,
}

impl Store {
    /// The cluster of this name, made when it is new. Fails with `engine.foreign` when the engine that answers now is not
    /// the one that was bound: an unknown engine is another cluster, never a silent fresh start.
    pub async fn bind_cluster(
        &self,
        name: &Name,
        kind: RuntimeKind,
        identity: &str,
        address: &str,
    ) -> Result<Cluster> {
        transaction!(self, tx => {
            let Some(known) = by_name(&mut tx, name).await? else {
                let cluster = Cluster {
                    id: ClusterId(fresh()),
                    name: name.clone(),
                    kind,
                    identity: identity.to_owned(),
                    address: address.to_owned(),
                    created_at: tx.now,
                };
                let insert = sqlx::query(
                    "INSERT INTO clusters (id, name, kind, identity, address, created_at) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(cluster.id.to_string())
                .bind(name.to_string())
                .bind(word(kind))
                .bind(identity.to_owned())
                .bind(address.to_owned())
                .bind(tx.now_ms());
                tx.run(insert).await?;
                let object = format!("cluster {name}");
                record(&mut tx, None, "pluvio", "cluster:manage", &object, "bound").await?;
                return Ok(cluster);
            };
            if known.identity != identity {
                return Err(StoreError::Refused(Box::new(problem::ENGINE_FOREIGN.problem(
                    format!(
                        "The engine at {address} has the identity {identity}; {name} was bound to {} at {}.",
                        known.identity, known.address
                    ),
                    "Start the engine that was there before, or, when it is gone for good, run \
                     `pluvio cluster rebind`: applications are then made anew here.",
                ))));
            }
            if known.address == address && known.kind == kind {
                return Ok(known);
            }
            update(&mut tx, known, kind, identity, address).await
        })
    }

    /// Takes the engine that answers now in place of the one that was bound (`pluvio cluster rebind`).
    pub async fn rebind_cluster(
        &self,
        name: &Name,
        kind: RuntimeKind,
        identity: &str,
        address: &str,
        actor: &str,
    ) -> Result<Cluster> {
        transaction!(self, tx => {
            let known = by_name(&mut tx, name).await?;
            let known = known.ok_or(StoreError::NotFound { what: "cluster" })?;
            let object = format!("cluster {name}");
            record(&mut tx, None, actor, "cluster:manage", &object, "rebound").await?;
            update(&mut tx, known, kind, identity, address).await
        })
    }

    /// The oldest first.
    pub async fn clusters(&self) -> Result<Vec<Cluster>> {
        let query = sqlx::query("SELECT * FROM clusters ORDER BY id");
        self.read_all(query).await?.iter().map(read).collect()
    }

    pub async fn cluster(&self, id: ClusterId) -> Result<Cluster> {
        let query = sqlx::query("SELECT * FROM clusters WHERE id = $1").bind(id.to_string());
        read(&self.read_one("cluster", query).await?)
    }
}

async fn by_name(tx: &mut Tx, name: &Name) -> Result<Option<Cluster>> {
    let query = sqlx::query("SELECT * FROM clusters WHERE name = $1").bind(name.to_string());
    tx.maybe(query).await?.as_ref().map(read).transpose()
}

async fn update(
    tx: &mut Tx,
    known: Cluster,
    kind: RuntimeKind,
    identity: &str,
    address: &str,
) -> Result<Cluster> {
    let update =
        sqlx::query("UPDATE clusters SET kind = $2, identity = $3, address = $4 WHERE id = $1")
            .bind(known.id.to_string())
            .bind(word(kind))
            .bind(identity.to_owned())
            .bind(address.to_owned());
    tx.run(update).await?;
    Ok(Cluster {
        kind,
        identity: identity.to_owned(),
        address: address.to_owned(),
        ..known
    })
}

fn read(row: &AnyRow) -> Result<Cluster> {
    Ok(Cluster {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        kind: row.word("kind")?,
        identity: row.text("identity")?,
        address: row.text("address")?,
        created_at: row.time("created_at")?,
    })
}
