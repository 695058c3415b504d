//! Runtime targets, and the identity by which another engine is told from the one we know.

use jiff::Timestamp;
use pluvio_model::facts::RuntimeKind;
use pluvio_model::id::ClusterId;
use pluvio_model::name::Name;
use pluvio_model::place::PlaceSettings;
use pluvio_model::problem;

use sqlx::any::AnyRow;

use crate::audit::record;
use crate::row::{Columns, fresh, json, word};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

/// A Kubernetes cluster that is added.
pub struct NewCluster<'a> {
    pub name: &'a Name,
    /// What tells it from every other cluster.
    pub identity: &'a str,
    pub address: &'a str,
    pub settings: &'a PlaceSettings,
    /// The kubeconfig that Pluvio uses there; kept sealed.
    pub kubeconfig: &'a str,
}

impl std::fmt::Debug for NewCluster<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "NewCluster({})", self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: Name,
    pub kind: RuntimeKind,
    /// The identity the engine keeps, whatever form it has.
    pub identity: String,
    /// How it is reached: a socket, a URL.
    pub address: String,
    pub settings: PlaceSettings,
    /// It is being taken out: nothing new goes there.
    pub leaving: bool,
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
                    settings: PlaceSettings::default(),
                    leaving: false,
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

    pub async fn cluster_named(&self, name: &str) -> Result<Cluster> {
        let query = sqlx::query("SELECT * FROM clusters WHERE name = $1").bind(name.to_owned());
        read(&self.read_one("cluster", query).await?)
    }

    /// Whether [`Store::put_cluster`] would take a cluster of that name: asked before anything is made on it.
    pub async fn may_put_cluster(&self, name: &Name, identity: &str) -> Result<()> {
        let all = self.clusters().await?;
        all.iter().try_for_each(|there| fits(there, name, identity))
    }

    /// Adds a Kubernetes cluster, or writes its credential and settings anew: the same name and the same cluster are one.
    /// [`StoreError::NameTaken`] when another cluster has the name; refused when the cluster is there under another name.
    pub async fn put_cluster(&self, new: &NewCluster<'_>, actor: &str) -> Result<Cluster> {
        transaction!(self, tx => {
            let twin = sqlx::query("SELECT * FROM clusters WHERE identity = $1 AND name <> $2")
                .bind(new.identity.to_owned())
                .bind(new.name.to_string());
            if let Some(row) = tx.maybe(twin).await? {
                fits(&read(&row)?, new.name, new.identity)?;
            }
            let known = by_name(&mut tx, new.name).await?;
            if let Some(known) = &known {
                fits(known, new.name, new.identity)?;
            }
            let verb = if known.is_some() { "changed" } else { "added" };
            let cluster = Cluster {
                id: known.as_ref().map_or_else(|| ClusterId(fresh()), |known| known.id),
                name: new.name.clone(),
                kind: RuntimeKind::Kubernetes,
                identity: new.identity.to_owned(),
                address: new.address.to_owned(),
                settings: new.settings.clone(),
                leaving: false,
                created_at: known.map_or(tx.now, |known| known.created_at),
            };
            let sealed = tx.seal.seal(&place(cluster.id), new.kubeconfig.as_bytes())?;
            let put = sqlx::query(
                "INSERT INTO clusters (id, name, kind, identity, address, created_at, sealed, settings, leaving) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT (id) DO UPDATE \
                 SET address = $5, sealed = $7, settings = $8, leaving = 0",
            )
            .bind(cluster.id.to_string())
            .bind(cluster.name.to_string())
            .bind(word(cluster.kind))
            .bind(cluster.identity.clone())
            .bind(cluster.address.clone())
            .bind(tx.now_ms())
            .bind(sealed)
            .bind(json(&cluster.settings));
            tx.run(put).await?;
            let object = format!("cluster {}", cluster.name);
            record(&mut tx, None, actor, "cluster:manage", &object, verb).await?;
            Ok(cluster)
        })
    }

    /// The kubeconfig that Pluvio uses on a cluster.
    pub async fn cluster_credential(&self, cluster: ClusterId) -> Result<String> {
        let query = sqlx::query("SELECT sealed FROM clusters WHERE id = $1 AND sealed IS NOT NULL")
            .bind(cluster.to_string());
        let row = self.read_one("cluster's credential", query).await?;
        let plain = self
            .inner
            .seal
            .open(&place(cluster), &row.bytes("sealed")?)?;
        String::from_utf8(plain).map_err(|error| StoreError::Corrupt {
            what: "a cluster's credential",
            why: error.to_string(),
        })
    }

    /// The environments that are on a cluster, each as its team and its name. Those that name none are on the engine.
    pub async fn cluster_environments(&self, cluster: ClusterId) -> Result<Vec<(Name, Name)>> {
        let query = sqlx::query(ENVIRONMENTS).bind(cluster.to_string());
        self.read_all(query).await?.iter().map(full_name).collect()
    }

    /// Nothing new goes to the cluster from now on. Refused while an environment is on it.
    pub async fn leave_cluster(&self, cluster: ClusterId, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let row = sqlx::query("SELECT * FROM clusters WHERE id = $1").bind(cluster.to_string());
            let cluster = read(&tx.one("cluster", row).await?)?;
            let there = tx.all(sqlx::query(ENVIRONMENTS).bind(cluster.id.to_string())).await?;
            if !there.is_empty() {
                let names = there.iter().map(|row| -> Result<String> {
                    let (team, name) = full_name(row)?;
                    Ok(format!("{team}/{name}"))
                });
                let names = names.collect::<Result<Vec<_>>>()?;
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    format!("Environments are on {}: {}.", cluster.name, names.join(", ")),
                    "Delete their applications, then the environments: `pluvio environment delete NAME`.",
                ))));
            }
            let update = sqlx::query("UPDATE clusters SET leaving = 1 WHERE id = $1")
                .bind(cluster.id.to_string());
            tx.run(update).await?;
            let object = format!("cluster {}", cluster.name);
            record(&mut tx, None, actor, "cluster:manage", &object, "leaving").await
        })
    }

    /// Takes a cluster out of the list, with its credential. Its volumes' rows go with it.
    pub async fn forget_cluster(&self, cluster: ClusterId, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let id = || cluster.to_string();
            let row = sqlx::query("SELECT * FROM clusters WHERE id = $1").bind(id());
            let known = read(&tx.one("cluster", row).await?)?;
            if known.kind != RuntimeKind::Kubernetes {
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    format!("{} is the engine of this machine.", known.name),
                    "It stays. `pluvio cluster rebind` takes another engine in its place.",
                ))));
            }
            for table in [
                "DELETE FROM volumes WHERE cluster = $1",
                "DELETE FROM hosts WHERE cluster = $1",
                "DELETE FROM targets WHERE cluster = $1",
                "DELETE FROM task_outcomes WHERE cluster = $1",
                "DELETE FROM clusters WHERE id = $1",
            ] {
                tx.run(sqlx::query(table).bind(id())).await?;
            }
            let object = format!("cluster {}", known.name);
            record(&mut tx, None, actor, "cluster:manage", &object, "removed").await
        })
    }
}

const ENVIRONMENTS: &str = "SELECT t.name AS team_name, e.name AS environment_name \
     FROM environments e JOIN teams t ON t.id = e.team WHERE e.cluster = $1 \
     OR (e.cluster IS NULL AND EXISTS (SELECT 1 FROM clusters c WHERE c.id = $1 AND c.kind <> 'kubernetes')) \
     ORDER BY t.name, e.name";

fn full_name(row: &AnyRow) -> Result<(Name, Name)> {
    Ok((row.parsed("team_name")?, row.parsed("environment_name")?))
}

fn place(cluster: ClusterId) -> String {
    format!("clusters/{cluster}")
}

/// Refuses a cluster that is not there, or is being taken out.
pub(crate) async fn stays(tx: &mut Tx, cluster: ClusterId) -> Result<()> {
    let row = sqlx::query("SELECT * FROM clusters WHERE id = $1").bind(cluster.to_string());
    let cluster = read(&tx.one("cluster", row).await?)?;
    if cluster.leaving {
        return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
            format!("{} is being taken out.", cluster.name),
            "Choose another cluster, or add it again: `pluvio cluster add`.",
        ))));
    }
    Ok(())
}

/// Refuses a cluster beside one that is there: a name is one cluster's, and a cluster has one name.
fn fits(there: &Cluster, name: &Name, identity: &str) -> Result<()> {
    match (there.name == *name, there.identity == identity) {
        (true, false) => Err(StoreError::NameTaken {
            what: "cluster",
            name: name.to_string(),
        }),
        (false, true) => Err(StoreError::Refused(Box::new(problem::CONFLICT.problem(
            format!("This cluster was added before, as {}.", there.name),
            "A cluster has one name. `pluvio cluster list` shows those there are.",
        )))),
        _ => Ok(()),
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
        settings: row.json("settings")?,
        leaving: row.flag("leaving")?,
        created_at: row.time("created_at")?,
    })
}
