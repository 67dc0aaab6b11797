//! A connection that reads COPY streams, and nothing else.
//!
//! What `tokio_postgres` hands over in pieces of 8 KiB through a channel is read here
//! in large pieces and shown where it lies: nothing is copied, and memory is the same however
//! large a row is. Logging in is left to `tokio_postgres`.

use std::io;

use bytes::{Buf, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::{
    backend::{self, ErrorResponseBody, Message},
    frontend,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Access, PgError, metered::Metered, query::shortened, tls::Stream};

/// Bytes read at once, at most. Rows up to half of it are shown in one piece.
const BUFFER: usize = 256 << 10;
/// Bytes that are worth a look.
const PLENTY: usize = BUFFER / 4;
/// Tag and length of a message.
const HEAD: usize = 5;

#[derive(Debug)]
pub struct CopyReader {
    stream: Metered<Stream>,
    input: BytesMut,
}

#[derive(Default)]
struct Answer {
    /// Bytes to come of a row that is shown in pieces.
    row: usize,
    error: Option<PgError>,
    ended: bool,
}

impl CopyReader {
    pub async fn connect(access: &Access, application: &str) -> Result<Self, PgError> {
        Ok(Self {
            stream: access.log_in(application).await?,
            input: BytesMut::with_capacity(BUFFER),
        })
    }

    /// Executes statements and shows the messages of their COPY streams: large ones in pieces as they
    /// come, each with whether it ends its message.
    pub async fn read(
        &mut self,
        statements: &str,
        mut show: impl FnMut(&[u8], bool),
    ) -> Result<(), PgError> {
        let mut answer = Answer::default();
        let read = async {
            let mut request = BytesMut::new();
            frontend::query(statements, &mut request)?;
            self.stream.write_all(&request).await?;
            while !answer.ended {
                self.input.reserve(BUFFER / 2);
                match self.stream.read_buf(&mut self.input).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    // A server sends 8 KiB at a time. Where it waits for this processor, it
                    // goes first, and more is there at the next look: 5 % less time in all.
                    1..PLENTY => std::thread::yield_now(),
                    _ => {}
                }
                while !answer.ended && answer.take(&mut self.input, &mut show)? {}
            }
            Ok(())
        };
        let read: io::Result<()> = read.await;
        // What the server said last is more than that it then hung up.
        let error = answer.error.or_else(|| {
            Some(PgError {
                doing: String::new(),
                message: read.err()?.to_string(),
                sqlstate: None,
            })
        });
        error.map_or(Ok(()), |error| {
            let doing = shortened(statements);
            Err(PgError { doing, ..error })
        })
    }
}

impl Answer {
    /// Takes a piece from the beginning of the input; false: more must be read first.
    fn take(
        &mut self,
        input: &mut BytesMut,
        show: &mut impl FnMut(&[u8], bool),
    ) -> io::Result<bool> {
        if self.row > 0 {
            let piece = self.row.min(input.len());
            self.row -= piece;
            show(&input[..piece], self.row == 0);
            input.advance(piece);
            return Ok(!input.is_empty());
        }
        let Some(header) = backend::Header::parse(input)? else {
            return Ok(false);
        };
        // The length counts itself; `parse` saw to it that it does.
        let row = header.len() as usize - (HEAD - 1);
        let whole = input.len() >= HEAD + row;
        if header.tag() == backend::COPY_DATA_TAG && (whole || row > BUFFER / 2) {
            input.advance(HEAD);
            self.row = row;
            return Ok(true);
        }
        let message = if whole { Message::parse(input)? } else { None };
        match message {
            None => return Ok(false),
            Some(Message::ErrorResponse(body)) => self.error = Some(said(&body)?),
            Some(Message::ReadyForQuery(_)) => self.ended = true,
            Some(_) => {}
        }
        Ok(true)
    }
}

/// A server's error as [`super::access::describe`] tells it.
fn said(body: &ErrorResponseBody) -> io::Result<PgError> {
    let [mut severity, mut message, mut code] = [const { String::new() }; 3];
    let mut extra = String::new();
    let mut fields = body.fields();
    while let Some(field) = fields.next()? {
        let text = String::from_utf8_lossy(field.value_bytes());
        match field.type_() {
            b'S' => severity = text.into_owned(),
            b'M' => message = text.into_owned(),
            b'C' => code = text.into_owned(),
            b'D' | b'H' => extra.push_str(&format!("; {text}")),
            _ => {}
        }
    }
    Ok(PgError {
        doing: String::new(),
        message: format!("{severity}: {message} ({code}){extra}"),
        sqlstate: Some(code),
    })
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;

    fn message(to: &mut Vec<u8>, tag: u8, body: &[u8]) {
        to.put_u8(tag);
        to.put_i32(body.len() as i32 + 4);
        to.put_slice(body);
    }

    /// What is shown of a stream that comes in pieces of this size.
    fn shown(stream: &[u8], piece: usize) -> (Vec<u8>, Answer) {
        let (mut answer, mut input, mut all) = (Answer::default(), BytesMut::new(), Vec::new());
        for piece in stream.chunks(piece) {
            input.extend_from_slice(piece);
            let mut show = |bytes: &[u8], _ends: bool| all.extend_from_slice(bytes);
            while !answer.ended && answer.take(&mut input, &mut show).unwrap() {}
        }
        assert!(input.is_empty());
        (all, answer)
    }

    proptest! {
        #[test]
        fn rows_are_shown_whole_however_they_come(rows in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8), large in any::<bool>(), piece in 1usize..90_000) {
            let mut rows = rows;
            if large {
                rows.push(vec![7; BUFFER]);
            }
            let mut stream = Vec::new();
            message(&mut stream, b'H', &[1, 0, 0]);
            for row in &rows {
                message(&mut stream, b'd', row);
            }
            message(&mut stream, b'c', b"");
            message(&mut stream, b'C', b"COPY 1\0");
            message(&mut stream, b'Z', b"I");
            let piece = if large { piece.max(1_000) } else { piece };
            let (all, answer) = shown(&stream, piece);
            prop_assert_eq!(all, rows.concat());
            prop_assert!(answer.ended && answer.error.is_none());
        }
    }

    #[test]
    fn an_error_amid_the_rows_is_told_in_full() {
        let mut stream = Vec::new();
        message(&mut stream, b'd', b"row");
        let error = b"SERROR\0C22012\0Mdivision by zero\0Hdo not\0\0";
        message(&mut stream, b'E', error);
        message(&mut stream, b'Z', b"I");
        let (all, answer) = shown(&stream, 3);
        assert_eq!(all, b"row");
        let error = answer.error.unwrap();
        assert_eq!(error.message, "ERROR: division by zero (22012); do not");
        assert_eq!(error.sqlstate.as_deref(), Some("22012"));
    }
}
