//! Damaged bytes on disk: the middle of pages of a table or an index overwritten
//! while the server is down, as a failing disk leaves them after a reboot.

use super::*;

const PAGE: u64 = 8192;

pub(super) fn facts(need: Need<'_>) -> Facts<'_> {
    Facts {
        errors: &["XX001", "XX002", "40P01"],
        server_after: ServerAfter::Restarted,
        damages_pages: true,
        ..Facts::of_object(need)
    }
}

pub(super) async fn inject(
    injection: &Injection<'_>,
    object: &str,
) -> Result<FaultRecord, FaultError> {
    let (server, name) = (injection.server, literal(object));
    server.sql("checkpoint").await?;
    let path = server
        .value(&format!(
            "select current_setting('data_directory') || '/' || pg_relation_filepath({name})"
        ))
        .await?;
    let begun = injection.begin().await?;
    server.stop(RESTART).await?;
    let pages = overwrite(server, &path).await?;
    server.start(RESTART).await?;
    let record = injection.end(begun);
    Ok(effect(server, &name, &pages).await?.of(record))
}

/// Overwrites 512 bytes in the middle of pages 1 to 3 (page 0 of an index is its
/// meta page; a table of one page gets that one). Returns the pages hit.
async fn overwrite(server: &Server, path: &str) -> Result<Vec<u64>, FaultError> {
    let size = server
        .node
        .exec(Exec::new(["stat", "-L", "-c", "%s", path]).unrecorded())
        .await?;
    let count = size.text().trim().parse::<u64>().unwrap_or_default() / PAGE;
    let pages: Vec<u64> = if count <= 1 {
        (0..count).collect()
    } else {
        (1..count.min(4)).collect()
    };
    for page in &pages {
        let seek = page * PAGE / 512 + 8;
        let command = format!(
            "tr '\\0' 'X' < /dev/zero | head -c 512 | dd of={path} bs=512 seek={seek} count=1 iflag=fullblock conv=notrunc,fsync status=none"
        );
        server.node.exec(Exec::shell(command)).await?;
    }
    Ok(pages)
}

/// Reads one of the pages back: with checksums on, the server must refuse it.
async fn effect(server: &Server, name: &str, pages: &[u64]) -> Result<Effect, FaultError> {
    let Some(page) = pages.last() else {
        return Ok(Effect {
            took: false,
            evidence: format!("{name} has no page to damage"),
        });
    };
    server
        .sql("create extension if not exists pageinspect")
        .await?;
    let answer = server
        .value(&format!("select length(get_raw_page({name}, {page}))"))
        .await;
    server.sql("drop extension pageinspect").await?;
    let how = match &answer {
        Err(error) => format!("; reading one back: {error}"),
        Ok(_) => format!(", but page {page} can be read"),
    };
    Ok(Effect {
        took: answer.is_err(),
        evidence: format!("pages {pages:?} overwritten{how}"),
    })
}
