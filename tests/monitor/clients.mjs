// clients.mjs DIR DESK.elf WORK - QMP clients from npm, which others wrote, operate a machine: those that DIR/node_modules has.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as nap } from 'node:timers/promises';
import path from 'node:path';

const [dir, desk, work] = process.argv.slice(2);
const slow = Number(process.env.DRAGOMAN_SLOW ?? 1);
const load = createRequire(path.join(dir, 'clients.js'));
let failed = false;

function check(ok, name, seen) {
    console.log(`${ok ? 'ok' : 'not ok'} - ${name}`);
    if (!ok && seen !== undefined)
        console.log('# ' + JSON.stringify(seen));
    failed ||= !ok;
}

// What it becomes, or undefined when that takes too long.
function soon(promise, seconds = 10) {
    return Promise.race([promise, nap(seconds * 1000 * slow, undefined, { ref: false })]);
}

function event(client, name) {
    return soon(new Promise((seen) => client.once(name, (data) => seen(data ?? {}))));
}

function config(name) {
    return { machine: { type: 'pc' }, memory: { size: 64 }, noShutdown: false, serial: 'none', pidfile: path.join(work, `${name}.pid`),
        drives: [{ file: path.join(work, 'disk.img'), format: 'raw', media: 'disk', cache: 'writeback' }],
        qmp: { socketPath: path.join(work, name) },
        extraArgs: ['-kernel', desk, '-name', name, '-vga', 'std', '-timeout', String(60 * slow)] };
}

async function started(lib, name) {
    const machine = new lib.QemuProcess({ binary: process.env.DRAGOMAN, config: config(name) });
    let said = '';
    machine.on('stderr', (text) => { said += text; });
    const end = new Promise((gone) => machine.on('exit', (status, signal) => gone({ status, signal, said })));
    await machine.start();
    for (let i = 0; i < 500 * slow && machine.pid && !existsSync(machine.socketPath); i++)
        await nap(20);
    if (!existsSync(machine.socketPath))
        throw new Error(`the machine did not start: ${said}`);
    return { machine, end };
}

// Every command of the client's that looks at the machine, then those that do something.
async function nodeQemu(lib) {
    const { machine, end } = await started(lib, 'node-qemu');
    const client = new lib.QMPClient({ socketPath: machine.socketPath });
    await client.connect();
    check(Number(readFileSync(path.join(work, 'node-qemu.pid'))) === machine.pid, 'node-qemu: pidfile');
    check((await client.queryStatus()).status === 'running', 'node-qemu: status');
    check((await client.queryVersion()).qemu.major === 7, 'node-qemu: version');
    const commands = (await client.queryCommands()).map((c) => c.name);
    check(commands.includes('query-block'), 'node-qemu: commands', commands);
    for (const query of commands.filter((name) => name.startsWith('query-')))
        check(typeof await client.execute(query) === 'object', `node-qemu: ${query}`);
    check((await client.queryName()).name === 'node-qemu', 'node-qemu: name');
    check((await client.queryCpusFast()).length === 1, 'node-qemu: CPUs');
    const [disk] = await client.queryBlock();
    check(disk.inserted.image['virtual-size'] === 1 << 20, 'node-qemu: block', disk);
    check((await client.queryBlockStats())[0].device === disk.device, 'node-qemu: blockstats');
    check((await client.queryNamedBlockNodes()).some((n) => n.file === disk.inserted.file), 'node-qemu: named-block-nodes');
    check((await client.queryBlockJobs()).length + (await client.queryJobs()).length === 0, 'node-qemu: jobs');
    check((await client.queryMemorySizeSummary())['base-memory'] === 64 << 20, 'node-qemu: memory-size-summary');
    check(/^[0-9a-f-]{36}$/.test((await client.queryUuid()).UUID), 'node-qemu: uuid');
    check((await client.queryIothreads()).length === 0, 'node-qemu: iothreads');
    check((await client.queryKvm()).enabled === false, 'node-qemu: kvm');
    check(/EAX=/.test(await client.humanMonitorCommand('info registers')), 'node-qemu: human-monitor-command');
    const picture = path.join(work, 'screen.ppm');
    await client.screendump({ filename: picture });
    check(readFileSync(picture).subarray(0, 2).toString() === 'P6', 'node-qemu: screendump');
    const error = await client.deviceAdd({ driver: 'e1000' }).catch((e) => e);
    check(error instanceof lib.QmpCommandError && error.qmpClass === 'CommandNotFound', 'node-qemu: an error', error);
    for (const [act, name] of [['stop', 'STOP'], ['cont', 'RESUME'], ['systemReset', 'RESET']]) {
        const seen = event(client, name);
        await client[act]();
        check(await seen, `node-qemu: ${act}, ${name}`);
    }
    await nap(500 * slow);
    const seen = [event(client, 'POWERDOWN'), event(client, 'SHUTDOWN')];
    await client.systemPowerdown();
    check(await seen[0], 'node-qemu: systemPowerdown, POWERDOWN');
    check((await seen[1])?.reason === 'guest-shutdown', 'node-qemu: SHUTDOWN', await seen[1]);
    const how = await soon(end);
    check(how?.status === 0, 'node-qemu: the machine ends', how);
    client.close?.();
}

// Its process manager stops what it has started by SIGTERM.
async function nodeQemuManager(lib) {
    const { machine, end } = await started(lib, 'manager');
    const client = new lib.QMPClient({ socketPath: machine.socketPath });
    await client.connect();
    const gone = event(client, 'disconnected');
    await machine.stop(10000 * slow);
    check(await gone, 'node-qemu: stop() of the process, disconnected');
    check((await soon(end))?.signal === 'SIGTERM', 'node-qemu: it has ended', await end);
}

async function qemuQmp(QMP, lib) {
    const { machine, end } = await started(lib, 'qemu-qmp');
    const client = new QMP();
    const run = (command, args) => soon(new Promise((answered) => {
        const done = (error, value) => answered({ error, value });
        if (args)
            client.execute(command, args, done);
        else
            client.execute(command, done);
    }));
    await new Promise((done, fail) => client.connect(machine.socketPath, (error) => (error ? fail(error) : done())));
    check(client.version.qemu.major === 7, 'qemu-qmp: greeting');
    check((await run('query-status'))?.value?.running, 'qemu-qmp: status');
    check((await run('query-commands'))?.value?.length > 20, 'qemu-qmp: commands');
    check((await run('human-monitor-command', { 'command-line': 'info status' }))?.value?.includes('running'), 'qemu-qmp: arguments');
    check((await run('nonsense'))?.error?.message.includes('nonsense'), 'qemu-qmp: an error');
    const seen = [event(client, 'stop'), event(client, 'resume'), event(client, 'shutdown')];
    await run('stop');
    check(await seen[0], 'qemu-qmp: stop');
    await run('cont');
    check(await seen[1], 'qemu-qmp: cont');
    await run('quit');
    check(await seen[2], 'qemu-qmp: quit');
    const how = await soon(end);
    check(how?.status === 0, 'qemu-qmp: the machine ends', how);
}

const lib = load('node-qemu');
await nodeQemu(lib);
await nodeQemuManager(lib);
await qemuQmp(load('qemu-qmp'), lib);
process.exit(failed ? 1 : 0);
