//! Collation versions: what each database and collation was made with, beside what its provider
//! (the C library, ICU) has now.

use super::{ProbeError, ProbeTarget, ask, session};
use crate::{
    observation::{Collation, Collations, Observation},
    postgres::query::Cells,
};

/// The version of `template0` is none on purpose: nothing in it depends on an order.
const DATABASES: &str = "
SELECT datname::text, datallowconn AND datconnlimit <> -2, datcollversion, pg_database_collation_actual_version(oid)
FROM pg_database WHERE datname <> 'template0' ORDER BY 1";

/// The collation `default` is the database's.
const COLLATIONS: &str = "
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname), c.collversion,
  pg_collation_actual_version(c.oid)
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE c.collprovider <> 'd' ORDER BY 1";

/// Looks at every database, and at the collations of each that can be connected to.
pub async fn look(target: &ProbeTarget<'_>) -> Result<Observation, ProbeError> {
    let client = session(&target.access).await?;
    let databases = ask(&client, DATABASES, "read the databases' collation versions").await?;
    let mut seen = Collations::default();
    for row in &databases {
        let name: String = row.cell(0)?;
        seen.take(format!("database `{name}`"), row.cell(2)?, row.cell(3)?);
        if row.cell(1)? {
            of_database(target, &name, &mut seen).await?;
        }
    }
    Ok(Observation::Collations(seen))
}

async fn of_database(
    target: &ProbeTarget<'_>,
    database: &str,
    seen: &mut Collations,
) -> Result<(), ProbeError> {
    let client = session(&target.access.within(database)).await?;
    let doing = format!("read the collation versions of database `{database}`");
    for row in ask(&client, COLLATIONS, doing).await? {
        let name: String = row.cell(0)?;
        let object = format!("{database}: collation {name}");
        seen.take(object, row.cell(1)?, row.cell(2)?);
    }
    Ok(())
}

impl Collations {
    fn take(&mut self, object: String, recorded: Option<String>, actual: Option<String>) {
        self.looked_at += 1;
        if recorded != actual {
            self.different.push(Collation {
                object,
                recorded,
                actual,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_different_when_it_is_missing_on_one_side() {
        let mut seen = Collations::default();
        let version = |text: &str| Some(text.to_owned());
        seen.take("C".into(), None, None);
        seen.take("de".into(), version("2.36"), version("2.36"));
        assert!(seen.different.is_empty());
        seen.take("fr".into(), None, version("2.36"));
        seen.take("it".into(), version("2.31"), version("2.36"));
        assert_eq!((seen.looked_at, seen.different.len()), (4, 2));
    }
}
