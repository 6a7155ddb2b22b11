import * as aws from "@pulumi/aws";
import * as databricks from "@pulumi/databricks";
import { expect } from "chai";
import { shop } from "../../../pipelines/shop.js";
import { CatalogAccess, type CatalogAccessArgs } from "../../../src/components/catalog-access.js";
import { LakehouseSchema, type LakehouseSchemaArgs } from "../../../src/components/lakehouse-schema.js";
import { layOut } from "../../../src/model/layout.js";
import type { PolicyDocument } from "../../../src/model/policies.js";
import { record, TEST_EXTERNAL_ID, type RecordOptions } from "../../../src/testing.js";

const LOCATION = "databricks:index/externalLocation:ExternalLocation";
const CREDENTIAL = "databricks:index/storageCredential:StorageCredential";

describe("CatalogAccess", () => {
  const args: CatalogAccessArgs = {
    stack: "shop-dev",
    bucketArn: "arn:aws:s3:::landing",
    url: "s3://landing/",
  };
  const make = (more: Partial<CatalogAccessArgs> = {}, options?: RecordOptions) =>
    record(() => new CatalogAccess("access", { ...args, ...more }).externalLocation, options);
  const roleArn = "arn:aws:iam::123456789012:role/headwater-shop-dev-unity-catalog";

  it("makes the credential first, unvalidated, for the role to come", async () => {
    const credential = (await make()).one(CREDENTIAL);
    expect(credential.inputs).to.deep.include({ skipValidation: true, awsIamRole: { roleArn } });
    expect(credential.dependsOn).to.deep.equal([]);
  });

  it("then the role, which trusts that credential's external id and itself", async () => {
    const made = await make();
    const role = made.one("aws:iam/role:Role");
    const { Statement } = JSON.parse(role.inputs["assumeRolePolicy"] as string) as PolicyDocument;
    expect(Statement.map(({ Sid, Condition }) => [Sid, Condition?.["StringEquals"]])).to.deep.equal([
      ["UnityCatalog", { "sts:ExternalId": TEST_EXTERNAL_ID }],
      ["Itself", { "sts:ExternalId": TEST_EXTERNAL_ID }],
    ]);
    expect(Statement[1]?.Condition?.["ArnLike"]).to.deep.equal({ "aws:PrincipalArn": roleArn });
    const access = made.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"] as string;
    expect((JSON.parse(access) as PolicyDocument).Statement.map(({ Resource }) => Resource)).to.deep.equal([
      "arn:aws:s3:::landing/*",
      "arn:aws:s3:::landing",
      roleArn,
    ]);
  });

  it("trusts the role Databricks names, where it names one", async () => {
    const unityCatalogIamArn = "arn:aws-us-gov:iam::044793339203:role/unity-catalog-prod-UCMasterRole";
    const made = await make(
      {},
      {
        outputs: (type, inputs) =>
          type === CREDENTIAL
            ? { awsIamRole: { ...(inputs["awsIamRole"] as object), externalId: "id", unityCatalogIamArn } }
            : undefined,
      },
    );
    expect(made.one("aws:iam/role:Role").inputs["assumeRolePolicy"]).to.contain(unityCatalogIamArn);
  });

  it("then the location, validated, once the role's policy is attached", async () => {
    const location = (await make()).one(LOCATION);
    expect(location.inputs).to.deep.include({
      url: "s3://landing/",
      credentialName: "headwater_shop_dev",
      forceDestroy: false,
    });
    expect(location.inputs).not.to.have.property("skipValidation");
    expect(location.dependsOn).to.deep.equal(["access", "access"]);
    // A new location of the same url would overlap the old one.
    expect(location.deleteBeforeReplace).to.be.true;
  });

  it("asks for an external id nobody has, where a credential has none", async () => {
    for (const preview of [false, true]) {
      const outputs = (type: string) => (type === CREDENTIAL ? { awsIamRole: { roleArn } } : undefined);
      const made = await make({}, { outputs, preview });
      const { Statement } = JSON.parse(
        made.one("aws:iam/role:Role").inputs["assumeRolePolicy"] as string,
      ) as PolicyDocument;
      expect(Statement.map(({ Condition }) => Condition?.["StringEquals"])).to.deep.equal([
        { "sts:ExternalId": "none-given" },
        { "sts:ExternalId": "none-given" },
      ]);
      // An update that logs an error fails; a preview may not know the id yet.
      expect(made.errors).to.deep.equal(
        preview
          ? []
          : [
              "headwater_shop_dev: Databricks gave the credential no external id\n  found: nothing\n" +
                "  allowed: aws_iam_role.external_id\n  remedy: Use a workspace with Unity Catalog on AWS.",
            ],
      );
    }
  });

  describe("while the role is not known everywhere", () => {
    async function hook(tries = 3) {
      const made = await make({ propagation: { tries, delaySeconds: 0 } });
      expect(made.one(LOCATION).errorHooks).to.deep.equal(["access-wait-for-role"]);
      const [only] = made.errorHooks;
      return (failedOperation: "create" | "update" | "delete", ...errors: string[]) =>
        only!.callback({ urn: "", id: "", name: "", type: "", failedOperation, errors });
    }
    const notYet = "AWS IAM role does not have READ permissions on url s3://landing/";

    it("tries again", async () => {
      const ask = await hook();
      expect(await ask("create", notYet)).to.be.true;
      expect(await ask("update", "User is not authorized to perform: sts:AssumeRole", notYet)).to.be.true;
    });

    it("gives up after the last try, and the engine reports the last error", async () => {
      const ask = await hook();
      expect(await ask("create", notYet, notYet, notYet)).to.be.false;
    });

    it("does not try again what no waiting mends", async () => {
      const ask = await hook();
      expect(
        await ask("create", "Input path url 's3://landing/' overlaps with an existing external location"),
      ).to.be.false;
      expect(await ask("delete", notYet)).to.be.false;
    });
  });
});

describe("LakehouseSchema", () => {
  const args: LakehouseSchemaArgs = {
    catalog: { provision: "create", name: "shop_dev" },
    schema: "crm",
    tables: layOut(shop, { catalog: "shop_dev", schema: "crm" }),
    bucket: "landing",
    externalLocation: "headwater_shop_dev",
    readers: "analysts",
    operators: "oncall",
    principal: "app-1",
  };
  const make = (more: Partial<LakehouseSchemaArgs> = {}, options?: RecordOptions) =>
    record(() => new LakehouseSchema("lakehouse", { ...args, ...more }).schema, options);
  const VOLUME = "databricks:index/volume:Volume";
  const GRANT = "databricks:index/grant:Grant";

  it("shows in each volume exactly the folder DMS writes for the table", async () => {
    const volumes = (await make()).of(VOLUME).map(({ inputs }) => inputs);
    expect(volumes).to.have.length(8);
    expect(volumes.every(({ volumeType }) => volumeType === "EXTERNAL")).to.be.true;
    const places = Object.fromEntries(
      volumes.map(({ name, storageLocation }) => [name as string, storageLocation]),
    );
    expect(places).to.include({
      customers_incoming: "s3://landing/incoming/shop/customers/",
      customers_processed: "s3://landing/processed/shop/customers/",
      order_lines_incoming: "s3://landing/incoming/shop/order_lines/",
      order_lines_processed: "s3://landing/processed/shop/order_lines/",
    });
  });

  it("keeps managed tables out of what is watched and shown", async () => {
    const { inputs } = (await make()).one("databricks:index/catalog:Catalog");
    expect(inputs).to.deep.include({
      name: "shop_dev",
      storageRoot: "s3://landing/managed/",
      forceDestroy: false,
    });
  });

  it("grants the least, one principal at a time", async () => {
    const grants = (await make()).of(GRANT).map(({ inputs: { principal, privileges, ...on } }) => ({
      principal,
      on,
      privileges,
    }));
    expect(grants).to.have.deep.members([
      { principal: "analysts", on: { catalog: "shop_dev" }, privileges: ["USE_CATALOG"] },
      { principal: "oncall", on: { catalog: "shop_dev" }, privileges: ["USE_CATALOG"] },
      { principal: "app-1", on: { catalog: "shop_dev" }, privileges: ["USE_CATALOG"] },
      { principal: "analysts", on: { schema: "shop_dev.crm" }, privileges: ["USE_SCHEMA", "SELECT"] },
      {
        principal: "oncall",
        on: { schema: "shop_dev.crm" },
        privileges: ["USE_SCHEMA", "SELECT", "READ_VOLUME"],
      },
      {
        principal: "app-1",
        on: { schema: "shop_dev.crm" },
        privileges: ["USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY", "READ_VOLUME", "WRITE_VOLUME"],
      },
      { principal: "app-1", on: { externalLocation: "headwater_shop_dev" }, privileges: ["READ_FILES"] },
    ]);
  });

  it("leaves a catalog that exists to its owner", async () => {
    const made = await make({ catalog: { provision: "existing", name: "shop_dev" } });
    expect(made.of("databricks:index/catalog:Catalog")).to.deep.equal([]);
    const onCatalog = made.of(GRANT).filter(({ inputs }) => inputs["catalog"] !== undefined);
    expect(onCatalog.map(({ inputs }) => inputs["principal"])).to.deep.equal(["app-1"]);
  });

  it("drops no tables unless told to", async () => {
    const schema = async (forceDestroy?: boolean) =>
      (await make(forceDestroy === undefined ? {} : { forceDestroy })).one("databricks:index/schema:Schema")
        .inputs;
    expect(await schema()).to.include({ catalogName: "shop_dev", name: "crm", forceDestroy: false });
    expect(await schema(true)).to.include({ forceDestroy: true });
  });

  it("waits for the location before volumes and catalog", async () => {
    const made = await record(() => {
      const access = new CatalogAccess("access", {
        ...{ stack: "shop-dev", bucketArn: "arn:aws:s3:::landing", url: "s3://landing/" },
      });
      return new LakehouseSchema("lakehouse", { ...args, externalLocation: access.externalLocation });
    });
    const location = made.one(LOCATION);
    for (const resource of [...made.of(VOLUME), made.one("databricks:index/catalog:Catalog")]) {
      expect(resource.dependsOn, resource.name).to.include(location.name);
    }
  });
});

describe("providers", () => {
  it("flow to every child", async () => {
    const made = await record(() => {
      const providers = [
        new aws.Provider("other-account", { region: "eu-west-1" }),
        new databricks.Provider("other-workspace", { host: "https://example.com" }),
      ];
      return new CatalogAccess(
        "access",
        { stack: "shop-dev", bucketArn: "arn:aws:s3:::landing", url: "s3://landing/" },
        { providers },
      );
    });
    const used = Object.fromEntries(
      made.resources.map(({ type, provider }) => [type, provider.split("::").at(-2)]),
    );
    expect(used).to.include({
      "aws:iam/role:Role": "other-account",
      "aws:iam/rolePolicy:RolePolicy": "other-account",
      [CREDENTIAL]: "other-workspace",
      [LOCATION]: "other-workspace",
    });
    expect(made.calls.map(({ provider }) => provider?.split("::").at(-2))).to.deep.equal(["other-account"]);
  });
});
