import js from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "templates/**", "*.js", ".dependency-cruiser.cjs"] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // A promise nobody awaits is an error nobody sees.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-unused-vars": [
        "error",
        // { a, ...rest } is how one leaves something out.
        { argsIgnorePattern: "^_", ignoreRestSiblings: true },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // Mocha's and fast-check's callbacks are async by habit, awaiting or not.
      "@typescript-eslint/require-await": "off",
      eqeqeq: ["error", "smart"],
    },
  },
  {
    files: ["test/**"],
    // chai's assertions are expressions (expect(x).to.be.true).
    rules: { "@typescript-eslint/no-unused-expressions": "off" },
  },
  {
    // Answers of the console's API are looked into as the JSON they are: what is not there fails the test that wants it.
    files: ["test/*/console/**", "bench/console.ts"],
    rules: {
      "@typescript-eslint/no-explicit-any": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
);
