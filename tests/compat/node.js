// Two clients for Node.js, each doing the same things. Arguments: port, name, password, socket.
const [port, user, pass, socket] = process.argv.slice(2);
const first = require('supervisord');
const { SupervisordClient } = require('node-supervisord');

function tell(what, value) {
  const text = JSON.stringify(value, (key, member) => {
    if (key === 'pid' && member) return 'PID';
    if (['start', 'stop', 'now'].includes(key) && member) return 'TIME';
    if (typeof member !== 'string') return member;
    return member.replace(/pid \d+, uptime [\d:]+/, 'pid PID, uptime TIME').replace(/---supervisor-\w+/, '---supervisor-X')
      .replace(/^\w{3} \d\d \d\d:\d\d [AP]M$/, 'DATE');
  });
  console.log(`${what} => ${text}`);
}

const calls = [
  ['getAPIVersion'], ['getSupervisorVersion'], ['getIdentification'], ['getState'], ['getAllProcessInfo'],
  ['getProcessInfo', 'alive'], ['getProcessInfo', 'nobody'], ['startProcess', 'idle'], ['startProcess', 'idle'],
  ['stopProcess', 'idle'], ['startProcessGroup', 'pair'], ['sendProcessStdin', 'echoes', 'größer\n'], ['getAllConfigInfo'],
  ['readProcessStdoutLog', 'texts', 0, 0], ['tailProcessStdoutLog', 'texts', 0, 5], ['signalProcess', 'alive', 'CONT'],
  ['clearProcessLogs', 'idle'], ['nothing'],
];

async function play(name, call, of = calls) {
  for (const [method, ...parameters] of of) {
    let result;
    try {
      result = await call(method, parameters);
    } catch (error) {
      result = { failed: String(error.faultString || error.message || error) };
    }
    tell(`${name}: ${method}(${String(parameters).trim()})`, result);
  }
}

function callFirst(client) {
  return (method, parameters) => new Promise((done, failed) => {
    if (!client[method]) return failed(new Error('no such method of the client'));
    client[method](...parameters, (error, value) => (error ? failed(error) : done(value)));
  });
}

(async () => {
  await play('supervisord over TCP', callFirst(first.connect({ hostname: '127.0.0.1', port, user, pass })));
  if (socket) await play('supervisord over a socket', callFirst(first.connect('unix://' + socket)));
  const second = new SupervisordClient(`http://127.0.0.1:${port}`, { username: user, password: pass });
  await play('node-supervisord', (method, parameters) => {
    if (!second[method]) throw new Error('no such method of the client');
    return second[method](...parameters);
  });
  await play('node-supervisord', (method, parameters) => second[method](...parameters), [['reloadConfig']]);
  const stranger = new SupervisordClient(`http://127.0.0.1:${port}`, { username: user, password: 'wrong' });
  try {
    tell('a wrong password', await stranger.getState());
  } catch (error) {
    tell('a wrong password', { failed: String(error.message || error) });
  }
})();
