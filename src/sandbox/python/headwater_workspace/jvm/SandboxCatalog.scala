package headwater.sandbox

import java.util

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.connector.catalog._
import org.apache.spark.sql.connector.expressions.Transform
import org.apache.spark.sql.types.StructType
import org.apache.spark.sql.util.CaseInsensitiveStringMap

/**
 * A Unity Catalog catalog on Spark's session catalog.
 *
 * Delta's open-source catalog works as `spark_catalog` only, which has one level of schemas. So a catalog made
 * through the workspace's API is an instance of this class (`spark.sql.catalog.<name>`), and schema `s` of
 * catalog `c` is the session catalog's database `SandboxCatalog.database("c", "s")`. Everything else is Delta's.
 */
class SandboxCatalog extends StagingTableCatalog with SupportsNamespaces {
  private var catalogName: String = _
  private var storageRoot: Option[String] = None

  /** Option `storageRoot`: a URL; new schemas without a location of their own are put below it. */
  override def initialize(name: String, options: CaseInsensitiveStringMap): Unit = {
    catalogName = name
    storageRoot = Option(options.get("storageRoot")).filter(_.nonEmpty)
  }

  override def name(): String = catalogName

  /** Databricks' default schema of every catalog. */
  override def defaultNamespace(): Array[String] = Array("default")

  private def delta: StagingTableCatalog with SupportsNamespaces =
    SparkSession.active.sessionState.catalogManager
      .catalog("spark_catalog")
      .asInstanceOf[StagingTableCatalog with SupportsNamespaces]

  private def inner(namespace: Array[String]): Array[String] = namespace match {
    case Array(schema) => Array(SandboxCatalog.database(catalogName, schema))
    case other => other
  }

  private def inner(table: Identifier): Identifier = Identifier.of(inner(table.namespace()), table.name())

  override def capabilities(): util.Set[TableCatalogCapability] = delta.capabilities()
  override def useNullableQuerySchema(): Boolean = delta.useNullableQuerySchema()

  override def listTables(namespace: Array[String]): Array[Identifier] =
    delta.listTables(inner(namespace)).map(table => Identifier.of(namespace, table.name()))

  override def loadTable(table: Identifier): Table = delta.loadTable(inner(table))
  override def loadTable(table: Identifier, version: String): Table = delta.loadTable(inner(table), version)
  override def loadTable(table: Identifier, timestamp: Long): Table = delta.loadTable(inner(table), timestamp)
  override def invalidateTable(table: Identifier): Unit = delta.invalidateTable(inner(table))
  override def tableExists(table: Identifier): Boolean = delta.tableExists(inner(table))
  override def dropTable(table: Identifier): Boolean = delta.dropTable(inner(table))
  override def purgeTable(table: Identifier): Boolean = delta.purgeTable(inner(table))
  override def renameTable(from: Identifier, to: Identifier): Unit = delta.renameTable(inner(from), inner(to))
  override def alterTable(table: Identifier, changes: TableChange*): Table =
    delta.alterTable(inner(table), changes: _*)

  override def createTable(
      table: Identifier,
      columns: Array[Column],
      partitions: Array[Transform],
      properties: util.Map[String, String]): Table =
    delta.createTable(inner(table), columns, partitions, SandboxCatalog.withProvider(properties))

  override def stageCreate(
      table: Identifier,
      schema: StructType,
      partitions: Array[Transform],
      properties: util.Map[String, String]): StagedTable =
    delta.stageCreate(inner(table), schema, partitions, SandboxCatalog.withProvider(properties))

  override def stageReplace(
      table: Identifier,
      schema: StructType,
      partitions: Array[Transform],
      properties: util.Map[String, String]): StagedTable =
    delta.stageReplace(inner(table), schema, partitions, SandboxCatalog.withProvider(properties))

  override def stageCreateOrReplace(
      table: Identifier,
      schema: StructType,
      partitions: Array[Transform],
      properties: util.Map[String, String]): StagedTable =
    delta.stageCreateOrReplace(inner(table), schema, partitions, SandboxCatalog.withProvider(properties))

  override def listNamespaces(): Array[Array[String]] = {
    val prefix = SandboxCatalog.database(catalogName, "")
    delta.listNamespaces().collect {
      case Array(database) if database.startsWith(prefix) => Array(database.substring(prefix.length))
    }
  }

  override def listNamespaces(namespace: Array[String]): Array[Array[String]] =
    if (namespace.isEmpty) listNamespaces() else Array.empty

  override def namespaceExists(namespace: Array[String]): Boolean = delta.namespaceExists(inner(namespace))
  override def loadNamespaceMetadata(namespace: Array[String]): util.Map[String, String] =
    delta.loadNamespaceMetadata(inner(namespace))
  override def createNamespace(namespace: Array[String], metadata: util.Map[String, String]): Unit = {
    val all = new util.HashMap[String, String](metadata)
    storageRoot.foreach { root =>
      all.putIfAbsent(SupportsNamespaces.PROP_LOCATION, s"${root.stripSuffix("/")}/${namespace.last}")
    }
    delta.createNamespace(inner(namespace), all)
  }
  override def alterNamespace(namespace: Array[String], changes: NamespaceChange*): Unit =
    delta.alterNamespace(inner(namespace), changes: _*)
  override def dropNamespace(namespace: Array[String], cascade: Boolean): Boolean =
    delta.dropNamespace(inner(namespace), cascade)
}

object SandboxCatalog {

  /** The session catalog's database of a schema. The length keeps `a_` + `b` apart from `a` + `_b`. */
  def database(catalog: String, schema: String): String = s"uc${catalog.length}_${catalog}_$schema"

  /** Databricks' default table format. */
  private def withProvider(properties: util.Map[String, String]): util.Map[String, String] = {
    val all = new util.HashMap[String, String](properties)
    all.putIfAbsent(TableCatalog.PROP_PROVIDER, "delta")
    all
  }
}
