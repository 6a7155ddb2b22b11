// The house's import rules: each room of src/ may import only the rooms named here (ARCHITECTURE.md draws them).
const rooms = {
  model: [],
  settings: ["model"],
  components: ["model"],
  operations: ["model"],
  source: ["model", "settings"],
  engine: ["model"],
  driver: ["model", "settings", "operations", "engine"],
  sandbox: ["model", "engine"],
  console: ["model", "settings", "operations", "engine", "driver"],
};

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-unresolved",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `room-${room}`,
      comment: `src/${room} may import only ${["itself", ...allowed].join(", ")}`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: {
        path: "^(src|programs|pipelines|demo|bench|test)/",
        pathNot: `^src/(${[room, ...allowed].join("|")})/`,
      },
    })),
    {
      name: "programs-build-on-components",
      severity: "error",
      from: { path: "^programs/" },
      to: { path: "^src/(driver|operations|engine|sandbox|console|cli)/" },
    },
    {
      name: "pipelines-are-data",
      severity: "error",
      from: { path: "^pipelines/" },
      to: { path: "^(src|programs)/", pathNot: "^src/model/" },
    },
    {
      name: "published-code-imports-no-demo",
      severity: "error",
      from: { path: "^(src|programs|pipelines)/" },
      to: { path: "^(demo|bench|test)/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "types", "node"] },
  },
};
