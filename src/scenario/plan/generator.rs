//! What a column is filled with: of rows that are loaded, and of rows that clients write.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is in a column, or a parameter. Lengths are in bytes, both ends in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Generator {
    /// 1, 2, 3, …: of loaded rows alone.
    Serial,
    /// A whole number.
    Int(Numbers),
    /// Any whole number of 8 bytes.
    Bigint,
    /// The `serial` of any loaded row of another table.
    Ref(String),
    /// The `serial` of the loaded row that belongs to an earlier column's number: number modulo
    /// rows, plus 1.
    BelongsTo(BelongsTo),
    /// The number of an earlier column.
    SameAs(String),
    /// Words in many scripts.
    Text(Length),
    /// A person's name.
    Name,
    /// An address, another one in each row.
    Email,
    /// 64 hexadecimal digits.
    Hash,
    /// A random UUID.
    Uuid,
    /// Bytes that do not compress.
    Bytes(Length),
    /// An object, of so many bytes as text: at least 30.
    Jsonb(Length),
    /// Between 0 and 10000, with so many digits after the point: at most 4.
    Numeric(#[schemars(range(min = 0, max = 4))] u16),
    /// Within so many days before the month of the load.
    Timestamptz(#[schemars(range(min = 1, max = 36_500))] u32),
    /// True in so many of a hundred rows.
    Bool(#[schemars(range(min = 0, max = 100))] u32),
    /// One of these.
    Enum(#[schemars(length(min = 1))] Vec<String>),
    /// So many words.
    TextArray(#[schemars(range(min = 0, max = 1000))] usize),
    /// So many whole numbers.
    IntArray(#[schemars(range(min = 0, max = 1000))] usize),
    /// This text, each `#` a digit.
    Pattern(String),
    /// NULL.
    None,
}

/// Whole numbers of 4 bytes, both ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Smallest.
    #[schemars(range(min = -2_147_483_648, max = 2_147_483_647))]
    pub min: i32,
    /// Largest.
    #[schemars(range(min = -2_147_483_648, max = 2_147_483_647))]
    pub max: i32,
}

/// Lengths in bytes, both ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Length {
    /// Shortest.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min: usize,
    /// Longest.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max: usize,
}

/// A row of another table, told by an earlier column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BelongsTo {
    /// The other table.
    pub table: String,
    /// The earlier column.
    pub by: String,
}

impl Generator {
    /// The table that it takes rows of.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Ref(table) | Self::BelongsTo(BelongsTo { table, .. }) => Some(table),
            _other => None,
        }
    }

    /// The earlier column that it follows.
    pub fn earlier(&self) -> Option<&str> {
        match self {
            Self::SameAs(column) | Self::BelongsTo(BelongsTo { by: column, .. }) => Some(column),
            _other => None,
        }
    }

    /// Whether it is a whole number of 8 bytes, which others may follow.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Serial | Self::Bigint) || self.table().or(self.earlier()).is_some()
    }
}
