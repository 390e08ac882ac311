//! The control language: what may be asked and how it is answered, in both directions.
//!
//! Owns: words, framing, limits, version. Does not own: sockets, programs, the words people read.
//!
//! ```text
//! request = word *( SP word ) LF              ; a word: printable ASCII; space, %, control and other bytes as %XX
//! reply   = *( data ) end
//! data    = SP key "=" value *( SP key "=" value ) LF
//!         | SP "bytes=" N LF <N raw bytes> LF
//! end     = "ok" [ SP text ] LF | "error" SP code SP text LF
//! ```
//!
//! | verb | arguments | data lines | ends |
//! |---|---|---|---|
//! | `hello` | | `program=visor version=… protocol=1 pid=…` | `ok` |
//! | `pid` | `[NAME…]` (`all`) | `pid=…` (visor's own), or per process `name=… pid=…` (0 = none) | `ok` |
//! | `state` | | `state=RUNNING` (`RESTARTING`, `SHUTDOWN`) `identifier=…` | `ok` |
//! | `status` | `[NAME…]` | per process, see [`STATUS_KEYS`]; per unknown name `name=… error=bad-name text=…` | `ok` |
//! | `start` | `[--no-wait] NAME…` | per process `name=g:p result=started`, or `name=… error=CODE text=…`, as each comes | `ok` / `error` of the last failure |
//! | `stop` | `[--no-wait] NAME…` | the same with `result=stopped` | the same |
//! | `restart` | `NAME…` | first the stops, then the starts | the same |
//! | `signal` | `SIGNAL NAME…` | `result=signalled` | the same |
//! | `reread` | | per changed group `group=… change=added` (`changed`, `removed`) | `ok` / `error cannot-reread TEXT` |
//! | `update` | `[GROUP…]` | `group=… result=stopped`, `removed`, `updated`, `added`; `group=… error=…` | `ok` / `error` |
//! | `update` | `--dry-run [GROUP…]` | what it would do: `group=… change=added` (`changed`, `removed`), `name=… change=added` (`removed`), and of what changes, per option `name=…` (or `group=…`) `key=… effect=live` (or `restart`) `from=… to=…` | the same |
//! | `scale` | `PROGRAM NUMBER` | `name=… result=removed` / `added` | `ok` / `error bad-name`, `cannot-reread TEXT` |
//! | `add`, `remove` | `GROUP…` | `group=… result=added` / `removed`; `group=… error=…` | the same |
//! | `reload` | | as `update` | the same |
//! | `shutdown` | | | `ok`, at once; then the connection ends with visor |
//! | `tail` | `NAME [stdout\|stderr] [BYTES]` | one `bytes=` block (default 1600; 0 = whole file) | `ok` |
//! | `follow` | `NAME [stdout\|stderr] [BYTES]` | `bytes=` blocks for ever: the last BYTES (default 1024), then what is added | never, or `error` |
//! | `maintail` | `[follow] [BYTES]` | as `tail` or `follow`, of visor's own log | |
//! | `read` | `NAME stdout\|stderr OFFSET LENGTH` | `size=…` of the whole log, then `bytes=` blocks: what there is of that part | `ok` / `error no-file PATH` (empty when none is configured), `failed` |
//! | `mainread` | `OFFSET LENGTH` | as `read`, of visor's own log | the same |
//! | `mainclear` | | | `ok` / `error no-file PATH`, `failed`: visor's own log is empty |
//! | `clear` | `NAME…` | `result=cleared` | as `start` |
//! | `send` | `NAME DATA` | | `ok`; `error not-running`, `no-file` (no stdin), `busy` (its pipe is full) |
//! | `event` | `TYPE [DATA]` | | `ok`: a `REMOTE_COMMUNICATION` event is on its way |
//! | `watch` | `[--type TYPE]… [NAME…]` | `event=PROCESS_STATE_RUNNING name=g:p from=STARTING to=… pid=… tries=… expected=… time=…`, other events with `group=`, `type=`, `when=`, `stream=`, `data=` as they have them (`event=PROCESS_HEALTH_UNHEALTHY name=g:p pid=… text=…`), for ever; `missed=N` when the watcher was slow. TYPE is a type or family; without any: all but output and ticks (which exist only while a listener wants them) | never |
//! | `config` | | per configured process `name=… group=… process=… inuse=yes autostart=yes group_priority=999 priority=999 command=…` and its other options | `ok` |
//! | `config` | `NAME` | the files are read again: per option `name=g:p section=program:p key=… value=… file=… line=… from=SECTION` (the last three: none when it is the default), `running=…` when what runs has another value; nothing of variables but their names | `ok` / `error bad-name`, `cannot-reread TEXT` |
//! | `why` | `NAME` | `name=… state=… text=…` one sentence | `ok` |
//! | `ready` | `[NAME…]` | per process that should run and does not, or is unhealthy, `name=… state=… health=unhealthy` (the last only for the latter) | `ok` or `error not-running TEXT` |
//! | `poweroff`, `reboot`, `halt` | | | as `shutdown`, then the machine does it; `error failed` when visor is not the init of a machine |
//! | `metrics` | | of visor `pid=… started=EPOCH clients=… events_lost=… gateways=…` (how often its gateway was started), then per process `name=… group=… process=… starts=… stdout_bytes=… stderr_bytes=… lost_bytes=…`, all since it is known | `ok` |
//! | `reopen` | | | `ok`: visor's log and the processes' logs are open anew |
//!
//! Several spaces count as one, so an empty word cannot be sent. An option is only what is spelled without escapes: `start %2D-no-wait`
//! starts a process called `--no-wait`; in the same way a data line may begin with a key `%62ytes`. The text of an end line keeps its
//! spaces and its UTF-8; only `%` and control bytes are escaped in it.
//!
//! NAME is `all`, `name` (meaning `name:name`), `group:process`, `group:*` or `group:`. In replies a process is named `name` when it has its
//! group's name, else `group:process`. An error line for a group that does not exist carries `group=G`, for a process `name=N`.
//! `error=` is a code of failure only in a line without `state=`; beside a state it is the process' last spawn error. `time=` is in seconds
//! since the epoch, with milliseconds after a dot.

mod code;
mod framing;
pub mod handover;
mod parse;
mod reader;
pub mod remote;
mod reply;
mod request;
mod rights;
mod word;
mod write;

pub use code::Code;
pub use framing::{Framer, TooLong};
pub use reader::{Reader, ReplyError};
pub use reply::{DataLine, Line, write_block, write_error, write_ok};
pub use request::{Ending, Request, RequestError, Stream};
pub use rights::Right;

/// Version of the language; verbs and keys are only ever added.
pub const PROTOCOL_VERSION: u32 = 1;
/// Longest request line in bytes, its LF included.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Longest text line of a reply in bytes, its LF not counted; the longest are those of `config`.
pub const MAX_REPLY_LINE_BYTES: usize = 1024 * 1024;
/// Most raw bytes in one `bytes=` block.
pub const MAX_BLOCK_BYTES: usize = 64 * 1024;
/// Bytes that `tail` answers when not told.
pub const DEFAULT_TAIL_BYTES: u64 = 1600;
/// Bytes that `follow` begins with when not told.
pub const DEFAULT_FOLLOW_BYTES: u64 = 1024;

/// Keys of a `status` line, in the order they are written.
///
/// `name` (as people write it) `group` `process` `state` `pid` (0 = none) `start` `stop` (epoch seconds, 0 = never) `now` `exit`
/// (exit code, `-1` = by signal, absent = none yet) `error` (last spawn error; absent when there is none) `uptime` (seconds, only RUNNING)
/// `health` (`healthy`, `unhealthy` or `unknown`; only with a `health` check) `listener` (its state), `waiting`, `lost` (events of its pool; only event listeners), `wanted` (`up` or `down`) `type` (`oneshot`; absent for others) `stdout` `stderr` (paths of the log files, absent when none) `next` (epoch seconds of the next run by its schedule; absent when there is none) `description` (Supervisor's text).
pub const STATUS_KEYS: &[&str] = &[
    "name",
    "group",
    "process",
    "state",
    "pid",
    "start",
    "stop",
    "now",
    "exit",
    "error",
    "uptime",
    "wanted",
    "stdout",
    "stderr",
    "next",
    "description",
];

/// Every word that `state=` may have, in the order of Supervisor's numbers.
pub const STATES: [&str; 8] = ["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"];

/// As people write a process: `name` when it has its group's name, else `group:name`.
#[must_use]
pub fn display_name(group: &str, name: &str) -> String {
    if group == name { name.to_owned() } else { format!("{group}:{name}") }
}
