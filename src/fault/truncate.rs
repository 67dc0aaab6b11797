//! A table emptied, and those that refer to it.

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Truncate(pub String);

impl BadStatement for Truncate {
    fn facts(&self) -> Facts<'_> {
        Facts {
            errors: sql::ROWS_GONE,
            ..Facts::of_statement(Need::Table(&self.0))
        }
    }

    fn statement(&self) -> Statement {
        let table = &self.0;
        Statement::counted(
            format!("truncate {table} cascade"),
            format!("select count(*) from (select from {table} limit 1) rows"),
        )
    }
}
