//! A database dropped under its clients. The catalog has its name folded unless it is quoted.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct DropDatabase(pub String);

impl BadStatement for DropDatabase {
    fn facts(&self) -> Facts<'_> {
        Facts {
            errors: &["3D000"],
            healed_by: &[],
            ..Facts::of_statement(Need::Database(&self.0))
        }
    }

    fn statement(&self) -> Statement {
        let (database, name) = (&self.0, literal(&self.0));
        let statement = Statement::counted(
            format!("drop database {database} with (force)"),
            format!("select count(*) from pg_database where datname = (parse_ident({name}))[1]"),
        );
        Statement {
            from_outside: true,
            ..statement
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{sql::ShownBy, *};

    #[test]
    fn a_name_is_looked_up_as_sql_reads_it() {
        let statement = DropDatabase("Shop".into()).statement();
        let ShownBy::Count(query) = statement.shown_by else {
            panic!("it is counted");
        };
        assert!(query.contains("parse_ident('Shop')"), "{query}");
    }
}
