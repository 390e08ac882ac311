//! `[unix_http_server]`, `[inet_http_server]`, `[rpcinterface:x]` and `[supervisorctl]`: read and kept as
//! data; nothing listens here.

use super::document::{Document, Section};
use super::error::Mistake;
use super::host::Host;
use super::path::{absolute, expand_home};
use super::reader::{Names, Reader};
use super::types::{Ctl, RpcInterface, Server, ServerAddress};
use super::value;

use crate::list::List as _;
use crate::order;
use crate::sorted::Map;

/// How the two kinds of server sections begin.
pub(super) const UNIX: &str = "unix_http_server";
pub(super) const INET: &str = "inet_http_server";
/// How an interface's section begins.
pub(super) const RPC: &str = "rpcinterface:";
/// The key that names what makes an interface.
const FACTORY: &str = "supervisor.rpcinterface_factory";
/// The one interface that is offered without Python.
const MAIN_FACTORY: &str = "supervisor.rpcinterface:make_main_rpcinterface";
/// Mode of a unix socket without `chmod`.
const CHMOD: u32 = 0o700;
const SERVER_URL: &str = "http://localhost:9001";
const PROMPT: &str = "supervisor";

/// All servers: inet ones, then unix ones.
pub(super) fn servers(reader: &mut Reader) -> Vec<Server> {
    let document = reader.document;
    let mut servers = Vec::new();
    for section in with_prefix(document, INET) {
        servers.extend(inet(reader, section));
    }
    for section in with_prefix(document, UNIX) {
        servers.extend(unix(reader, section));
    }
    servers
}

/// Where children find the server: the first unix socket, else the last port.
pub(super) fn url(servers: &[Server]) -> Option<String> {
    let mut found = None;
    for server in servers {
        match &server.address {
            ServerAddress::Unix { file, .. } => return Some(format!("unix://{file}")),
            ServerAddress::Inet { host, port } => {
                let host = if host.is_empty() { "localhost" } else { host };
                found = Some(format!("http://{host}:{port}"));
            }
        }
    }
    found
}

fn with_prefix<'a>(document: &'a Document, prefix: &str) -> Vec<&'a Section> {
    document.sections.iter().filter(|section| section.name.starts_with(prefix)).list()
}

fn server(section: &Section, address: ServerAddress, login: Login) -> Server {
    Server {
        section: section.name.clone(),
        name: section.name.split_once(':').map(|(_, name)| name.to_owned()),
        address,
        username: login.full.0,
        password: login.full.1,
        readonly_username: login.readonly.0,
        readonly_password: login.readonly.1,
    }
}

/// User and password.
type Pair = (Option<String>, Option<String>);

/// Who may do everything, and who may look.
struct Login {
    full: Pair,
    readonly: Pair,
}

fn login<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Login {
    let full = pair(reader, section, ["username", "password"]);
    let readonly = pair(reader, section, ["readonly_username", "readonly_password"]);
    let name = &section.name;
    // Without a login everybody may do everything.
    if readonly.0.is_some() && full.0.as_deref().unwrap_or_default().is_empty() {
        let reason = format!("section [{name}] has a login for who may only look and none for who may do more");
        refuse_login(reader, section, "readonly_username", reason);
    } else if readonly.0.is_some() && readonly.0 == full.0 {
        refuse_login(reader, section, "readonly_username", format!("section [{name}] has one name for both logins"));
    }
    Login { full, readonly }
}

/// The text stays out of the message: it may be a password.
fn refuse_login<'a>(reader: &mut Reader<'a>, section: &'a Section, key: &str, reason: String) {
    let mut mistake = section.mistake(Some(key), reason);
    if let Some(entry) = reader.entry(section, key) {
        mistake.file = entry.file.to_string();
        mistake.line = entry.line;
    }
    reader.mistakes.push(mistake);
}

fn pair<'a>(reader: &mut Reader<'a>, section: &'a Section, [name, secret]: [&'static str; 2]) -> Pair {
    let has = |key| reader.entry(section, key).is_some();
    if has(name) != has(secret) {
        let key = if has(name) { name } else { secret };
        let reason = format!(
            "Section [{}] contains incomplete authentication: If a username or a password is specified, \
             both the username and password must be specified",
            section.name
        );
        refuse_login(reader, section, key, reason);
        return (None, None);
    }
    (reader.text(section, name, &Names::ENVIRONMENT), reader.text(section, secret, &Names::ENVIRONMENT))
}

fn inet<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Option<Server> {
    let login = login(reader, section);
    if reader.entry(section, "port").is_none() {
        let reason = format!("section [{}] has no port value", section.name);
        reader.refuse(section, "port", reason);
        return None;
    }
    let (host, port) = reader.value(section, "port", &Names::ENVIRONMENT, &|_, text| value::inet_address(text))?;
    Some(server(section, ServerAddress::Inet { host, port }, login))
}

fn unix<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Option<Server> {
    let login = login(reader, section);
    let chown = reader.value(section, "chown", &Names::ENVIRONMENT, &|host, text| {
        value::owner(host, text).map_err(|_| format!("Invalid sockchown value {text}"))
    });
    let chmod = reader.value(section, "chmod", &Names::ENVIRONMENT, &|_, text| {
        value::octal(text).map_err(|_| format!("Invalid chmod value {text}"))
    });
    if reader.entry(section, "file").is_none() {
        let reason = format!("section [{}] has no file value", section.name);
        reader.refuse(section, "file", reason);
        return None;
    }
    let file = reader
        .value(section, "file", &Names::HERE, &|host, text| Ok(absolute(host, &expand_home(host, text.trim()))))?;
    let address = ServerAddress::Unix { file, chmod: chmod.unwrap_or(CHMOD), chown: chown.unwrap_or_default() };
    Some(server(section, address, login))
}

/// All RPC interfaces.
pub(super) fn rpc_interfaces(reader: &mut Reader) -> Vec<RpcInterface> {
    let document = reader.document;
    with_prefix(document, RPC).into_iter().filter_map(|section| rpc_interface(reader, section)).list()
}

fn rpc_interface<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Option<RpcInterface> {
    if reader.entry(section, FACTORY).is_none() {
        let reason = format!("section [{}] does not specify a {FACTORY}", section.name);
        reader.mistakes.push(section.mistake(Some(FACTORY), reason));
        return None;
    }
    let factory = reader.value(section, FACTORY, &Names::ENVIRONMENT, &|_, text| plugin(text, &section.name));
    if let Some(other) = factory.as_ref().filter(|factory| *factory != MAIN_FACTORY) {
        let text = format!("[{}] {FACTORY}: `{other}` is Python, which visor does not run", section.name);
        reader.remark(section, FACTORY, text);
    }
    let defaults = reader.document.defaults.entries.keys();
    let mut keys: Vec<&String> = section.entries.keys().chain(defaults).list();
    order::sort(&mut keys);
    keys.dedup();
    let mut options = Map::new();
    for key in keys.into_iter().filter(|key| *key != FACTORY) {
        if let Some(text) = reader.text(section, key, &Names::ENVIRONMENT) {
            options.insert(key.clone(), text);
        }
    }
    Some(RpcInterface { name: section.title().to_owned(), factory: factory?, options })
}

/// A reference to a Python object, `package.module:name`. None is ever loaded here, so nothing but the
/// shape is checked; what is not ASCII counts as a letter.
pub(super) fn plugin(text: &str, section: &str) -> Result<String, String> {
    let dotted =
        |part: &str| part.trim().chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let (module, object) = text.split_once(':').unwrap_or((text, ""));
    if module.trim().is_empty() || !dotted(module) || !dotted(object) {
        return Err(format!("{text} cannot be resolved within [{section}]"));
    }
    Ok(text.to_owned())
}

/// `[supervisorctl]`.
pub(super) fn ctl<'a>(reader: &mut Reader<'a>, section: &'a Section) -> Ctl {
    Ctl {
        serverurl: reader
            .value(section, "serverurl", &Names::HERE, &server_url)
            .unwrap_or_else(|| SERVER_URL.to_owned()),
        username: reader.text(section, "username", &Names::ENVIRONMENT),
        password: reader.text(section, "password", &Names::ENVIRONMENT),
        prompt: reader.text(section, "prompt", &Names::ENVIRONMENT).unwrap_or_else(|| PROMPT.to_owned()),
        history_file: reader
            .text(section, "history_file", &Names::HERE)
            .filter(|path| !path.is_empty())
            .map(|path| absolute(reader.host, &expand_home(reader.host, &path))),
    }
}

fn server_url(host: &dyn Host, text: &str) -> Result<String, String> {
    Ok(match text.strip_prefix("unix://") {
        Some(path) => format!("unix://{}", absolute(host, &expand_home(host, path))),
        None => text.to_owned(),
    })
}

/// The client's section of a main file, before anything is included.
pub(super) fn ctl_of(host: &dyn Host, document: &Document, here: &str) -> Result<Option<Ctl>, Vec<Mistake>> {
    let Some(section) = document.section("supervisorctl") else {
        return Ok(None);
    };
    let mut reader = Reader::new(host, document, here);
    let ctl = ctl(&mut reader, section);
    if reader.mistakes.is_empty() { Ok(Some(ctl)) } else { Err(reader.mistakes) }
}
