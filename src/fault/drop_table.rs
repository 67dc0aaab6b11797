//! A table dropped, and what depends on it.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct DropTable(pub String);

impl BadStatement for DropTable {
    fn facts(&self) -> Facts<'_> {
        Facts {
            errors: sql::DROPPED,
            ..Facts::of_statement(Need::Table(&self.0))
        }
    }

    fn statement(&self) -> Statement {
        let (table, name) = (&self.0, literal(&self.0));
        Statement::counted(
            format!("drop table {table} cascade"),
            format!("select (to_regclass({name}) is not null)::int"),
        )
    }
}
