//! What runs left in an engine, found by label, and its removal.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    time::Duration,
};

use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use futures_util::future::join_all;

use super::engine::{Engine, plain};
use crate::runtime::{
    LABEL_OWNER, LABEL_RUN, RuntimeError,
    leftover::{Leftover, Place},
    run::{Kind, Life, Owner},
    wait,
};

struct Found {
    kind: Kind,
    name: String,
    labels: HashMap<String, String>,
}

/// The runs that have something in the engine.
pub async fn find(engine: &Engine, here: &Owner) -> Result<Vec<Leftover>, RuntimeError> {
    let error = RuntimeError::engine("list what pgdrill created");
    let found = list(engine, &[LABEL_RUN.to_owned()]).await.map_err(error)?;
    let mut runs: BTreeMap<String, (usize, Life)> = BTreeMap::new();
    for thing in found {
        if let Some(run) = thing.labels.get(LABEL_RUN) {
            let (things, most) = runs.entry(run.clone()).or_insert((0, Life::Dead));
            *things += 1;
            *most = life(&thing, here).max(*most);
        }
    }
    let leftover = |(run, (things, life))| Leftover {
        run,
        life,
        place: Place::Engine(engine.clone(), things),
    };
    Ok(runs.into_iter().map(leftover).collect())
}

fn life(thing: &Found, here: &Owner) -> Life {
    let owner = thing.labels.get(LABEL_OWNER);
    let owner: Option<Owner> = owner.and_then(|text| text.parse().ok());
    owner.map_or(Life::Unknown, |owner| owner.life(here))
}

/// Removes everything of a run. Returns what could not be removed.
pub async fn remove_run(engine: &Engine, run: &str) -> Vec<String> {
    remove(engine, &[format!("{LABEL_RUN}={run}")]).await
}

/// Removes everything that bears all of these labels: containers first, since volumes
/// and networks in use stay. Returns what could not be removed.
pub async fn remove(engine: &Engine, labels: &[String]) -> Vec<String> {
    let found = match list(engine, labels).await {
        Ok(found) => found,
        Err(error) => return vec![format!("what bears {labels:?}: {}", plain(&error))],
    };
    let mut failures = Vec::new();
    for kind in [Kind::Container, Kind::Volume, Kind::Network] {
        let these = found.iter().filter(|thing| thing.kind == kind);
        let removed = join_all(these.map(|thing| remove_one(engine, thing))).await;
        failures.extend(removed.into_iter().filter_map(Result::err));
    }
    failures
}

async fn remove_one(engine: &Engine, thing: &Found) -> Result<(), String> {
    let name = &thing.name;
    match thing.kind {
        Kind::Container => remove_container(engine, name).await,
        Kind::Volume => remove_volume(engine, name).await,
        Kind::Network => remove_network(engine, name).await,
        // None of an engine.
        Kind::Directory | Kind::Objects => Ok(()),
    }
}

/// Kills and removes a container; one that is gone is no failure.
pub(super) async fn remove_container(engine: &Engine, name: &str) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let what = format!("the container `{name}` is gone");
    until_gone(&what, || {
        engine.api.remove_container(name, Some(options.clone()))
    })
    .await
}

/// Removes a volume; one that is gone is no failure.
pub(super) async fn remove_volume(engine: &Engine, name: &str) -> Result<(), String> {
    let what = format!("the volume `{name}` is gone");
    until_gone(&what, || {
        engine.api.remove_volume(name, None::<RemoveVolumeOptions>)
    })
    .await
}

async fn remove_network(engine: &Engine, name: &str) -> Result<(), String> {
    let what = format!("the network `{name}` is gone");
    until_gone(&what, || engine.api.remove_network(name)).await
}

/// An engine that is still busy with a thing refuses to remove it: we ask again.
async fn until_gone<F: Future<Output = Result<(), Error>>>(
    what: &str,
    remove: impl Fn() -> F,
) -> Result<(), String> {
    let (deadline, pause) = (Duration::from_secs(15), Duration::from_millis(100));
    wait::until(what, deadline, pause, || {
        let removed = remove();
        async move {
            match removed.await {
                Ok(()) => Ok(Ok(())),
                Err(error) => match status(&error) {
                    Some(404) => Ok(Ok(())),
                    Some(_) => Err(plain(&error)),
                    // No answer at all.
                    None => Ok(Err(format!("{what}: {}", plain(&error)))),
                },
            }
        }
    })
    .await?
}

/// The engine's answer as an HTTP status, when it answered.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

async fn list(engine: &Engine, labels: &[String]) -> Result<Vec<Found>, Error> {
    let filters = HashMap::from([("label", labels.to_vec())]);
    let (containers, volumes, networks) = tokio::try_join!(
        containers(engine, &filters),
        volumes(engine, &filters),
        networks(engine, &filters)
    )?;
    Ok([containers, volumes, networks]
        .into_iter()
        .flatten()
        .collect())
}

type Filters = HashMap<&'static str, Vec<String>>;

async fn containers(engine: &Engine, filters: &Filters) -> Result<Vec<Found>, Error> {
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(filters);
    let containers = engine.api.list_containers(Some(options.build())).await?;
    let found = containers.into_iter().map(|container| Found {
        kind: Kind::Container,
        name: container.id.unwrap_or_default(),
        labels: container.labels.unwrap_or_default(),
    });
    Ok(found.collect())
}

async fn volumes(engine: &Engine, filters: &Filters) -> Result<Vec<Found>, Error> {
    let options = ListVolumesOptionsBuilder::new().filters(filters);
    let volumes = engine
        .api
        .list_volumes(Some(options.build()))
        .await?
        .volumes;
    let found = volumes.into_iter().flatten().map(|volume| Found {
        kind: Kind::Volume,
        name: volume.name,
        labels: volume.labels,
    });
    Ok(found.collect())
}

async fn networks(engine: &Engine, filters: &Filters) -> Result<Vec<Found>, Error> {
    let options = ListNetworksOptionsBuilder::new().filters(filters);
    let networks = engine.api.list_networks(Some(options.build())).await?;
    let found = networks.into_iter().map(|network| Found {
        kind: Kind::Network,
        name: network.id.unwrap_or_default(),
        labels: network.labels.unwrap_or_default(),
    });
    Ok(found.collect())
}
