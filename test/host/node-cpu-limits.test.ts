import { suite } from "uvu";
import * as assert from "uvu/assert";
import { allowedCpus, cgroupCpus } from "../../src/host/node/node-cpu-limits.ts";

const test = suite("limits of processors");

const files = (content: Record<string, string>) => (path: string) => {
  const text = content[path];
  if (text === undefined) throw new Error(`ENOENT: ${path}`);
  return `${text}\n`;
};

test("a container of cgroup v2 has its own quota at the root", () => {
  const own = { "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "150000 100000" };
  assert.is(cgroupCpus(files(own)), 1.5);
});

test("the least quota of a group and those above holds, also where the groups below have none", () => {
  const nested = {
    "/proc/self/cgroup": "0::/a.slice/b.scope",
    "/sys/fs/cgroup/a.slice/b.scope/cpu.max": "max 100000",
    "/sys/fs/cgroup/a.slice/cpu.max": "50000 25000",
    "/sys/fs/cgroup/cpu.max": "max 100000",
  };
  assert.is(cgroupCpus(files(nested)), 2);
  assert.is(cgroupCpus(files({ ...nested, "/sys/fs/cgroup/a.slice/b.scope/cpu.max": "25000 100000" })), 0.25);
});

test("where the path is the host's, the root that is mounted is the container's group", () => {
  const v2 = { "/proc/self/cgroup": "0::/docker/0123", "/sys/fs/cgroup/cpu.max": "300000 100000" };
  assert.is(cgroupCpus(files(v2)), 3);
  const root = "/sys/fs/cgroup/cpu,cpuacct";
  const v1 = {
    "/proc/self/cgroup": "11:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n0::/",
    [`${root}/cpu.cfs_quota_us`]: "200000",
    [`${root}/cpu.cfs_period_us`]: "100000",
  };
  assert.is(cgroupCpus(files(v1)), 2);
});

test("cgroup v1, with the hierarchy under either name", () => {
  for (const [controllers, folder] of [["cpu,cpuacct", "cpu,cpuacct"], ["cpuacct,cpu", "cpu"], ["cpu", "cpu"]]) {
    const group = `/sys/fs/cgroup/${folder}/job/7`;
    const limited = {
      "/proc/self/cgroup": `9:name=systemd:/\n1:${controllers}:/job/7`,
      [`${group}/cpu.cfs_quota_us`]: "75000",
      [`${group}/cpu.cfs_period_us`]: "50000",
    };
    assert.is(cgroupCpus(files(limited)), 1.5);
    assert.is(cgroupCpus(files({ ...limited, [`${group}/cpu.cfs_quota_us`]: "-1" })), undefined);
  } // prettier-ignore
});

test("no quota, no group, no permission, nonsense: no limit", () => {
  for (const content of [
    { "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "max 100000" },
    { "/proc/self/cgroup": "0::/" },
    { "/proc/self/cgroup": "2:cpuset:/", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1" },
    { "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "" },
    { "/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "0 0" },
    {},
  ]) {
    assert.is(cgroupCpus(files(content as Record<string, string>)), undefined, JSON.stringify(content));
  }
});

test("processors the process may run on", () => {
  const status = (list: string) => files({ "/proc/self/status": `Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t${list}` });
  for (const [list, count] of [["0", 1], ["0-1", 2], ["0-3,8,10-11", 7]] as const) assert.is(allowedCpus(status(list)), count); // prettier-ignore
  assert.is(allowedCpus(status("")), undefined);
  assert.is(allowedCpus(files({})), undefined);
});

test.run();
